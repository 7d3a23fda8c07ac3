import re

import pytest

from pth2map.engines.vendor_script import judge
from pth2map.files.errors import InputError

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 3, in <module>\nRuntimeError: no die\n'


def test_status_0_is_a_success_whatever_was_printed():
    judge("vaststreamx", "error: of a driver\n", 0)


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        ("W0101 driver\nerror: a.npz: has no input_0\n", 2, "a.npz: has no input_0"),
        ("error: one\nerror: two\nW0101 behind it\n", 2, "two"),
        (
            TRACEBACK,
            1,
            'torch_aie failed (status 1): Traceback (most recent call last): | File "x.py", line 3, in <module> | '
            "RuntimeError: no die",
        ),
        ("", 139, "torch_aie failed (status 139): it printed nothing"),
        ("python3: not found\n", 127, "torch_aie was not found, or lacks a library (status 127): python3: not found"),
    ],
)
def test_the_script_s_own_sentence_or_the_last_lines(log, status, sentence):
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        judge("torch_aie", log, status)
