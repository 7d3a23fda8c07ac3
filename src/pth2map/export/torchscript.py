"""A network as a traced TorchScript program."""

import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from pth2map.engines.torchscript import quiet_jit
from pth2map.files.atomic import replacing
from pth2map.files.errors import InputError


def export_torchscript(network: nn.Module, path: Path, example: Tensor) -> None:
    """Trace ``network``, put into evaluation mode, with ``example``, and write the program once found right.

    Reloaded, it must reproduce the network's outputs for ``example``. Its bytes depend on the weights and on
    what the process traced before (torch numbers its types), not on ``path`` or on where the sources lie.

    Raises ``InputError`` if the reloaded program computes something else.
    """
    network.eval()
    with torch.no_grad(), quiet_jit():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example, check_trace=False, _store_inputs=False
        )
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
        program = _without_sources(buffer)
        reloaded = torch.jit.load(io.BytesIO(program), map_location="cpu")  # type: ignore[no-untyped-call]
        for number, (ours, theirs) in enumerate(zip(network(example), reloaded(example), strict=True)):
            if not torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5):
                raise InputError(f"the traced network differs from the network in output {number}: it cannot be traced")
    with replacing(path) as temporary:
        temporary.write_bytes(program)


def _without_sources(archive: io.BytesIO) -> bytes:
    """The archive less the source lines with their paths, and less an identifier computed from them."""
    kept = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(kept, "w") as new:
        for name in old.namelist():
            if not name.endswith((".debug_pkl", "/serialization_id")):
                new.writestr(zipfile.ZipInfo(name), old.read(name))
    return kept.getvalue()
