"""What the commands do around their one call; sentences of errors are held by tests/bad_input."""

import subprocess
import sys

import pytest

from pth2map.files.command import run
from pth2map.files.errors import InputError


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("what, where, how"), 2, "error: what, where, how\n"),
        (FileNotFoundError(2, "No such file", "a.txt"), 2, "error: a.txt: No such file\n"),
        (MemoryError(), 2, "error: not enough memory; run fewer jobs at once or give it more\n"),
        (MemoryError("at a.jpg"), 2, "error: not enough memory (at a.jpg); run fewer jobs at once or give it more\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(error, status, said, capsys):
    with pytest.raises(SystemExit) as ended:
        run(raising(error))
    assert (ended.value.code, capsys.readouterr().err) == (status, said)


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), OSError("of no file")])
def test_a_fault_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error), match=str(error)):
        run(raising(error))


def test_a_reader_that_has_enough_ends_the_command_quietly():
    program = "from pth2map.files.command import run; run(lambda: print('line' * 100_000))"
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
