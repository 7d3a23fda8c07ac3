# To be sourced: puts the rehearsal stand-ins of CANN's and Vastai's tools before any others (docs/rehearsal.md).
_rehearsal="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" > /dev/null && pwd)"
export PTH2MAP_REHEARSAL=1
export ASCEND_TOOLKIT_HOME="$_rehearsal"
export ASCEND_OPP_PATH="$_rehearsal/modules"
export VASTSTREAMX_ROOT="$_rehearsal"
export VASTPIPE_ROOT="$_rehearsal"
export PATH="$_rehearsal/bin:$PATH"
export PYTHONPATH="$_rehearsal/modules${PYTHONPATH:+:$PYTHONPATH}"
unset _rehearsal
