import json
import re

import pytest

from pth2map.engines.vaststreamx import Report, read_report
from pth2map.files.errors import InputError

VERSIONS = {"python": "3.8.10", "vaststreamx": "2.8.3", "numpy": "1.24.4"}
WRITTEN = {
    "images": 4,
    "seconds": 0.5,
    "images_per_s": 8.0,
    "reading_seconds": 0.1,
    "writing_seconds": 0.2,
    "memory_images": 0,
    "memory_images_per_s": None,
    "batch": 1,
    "device": 0,
    "rehearsal": False,
    "versions": VERSIONS,
}


def written(folder, **changes):
    path = folder / "report.json"
    path.write_text(json.dumps({**WRITTEN, **changes}))
    return path


@pytest.mark.parametrize("memory", [None, 280.5])
def test_a_report(tmp_path, memory):
    path = written(tmp_path, memory_images_per_s=memory)
    assert read_report(path, 4) == Report(4, 0.5, 8.0, memory, False, VERSIONS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": 3}, "of 3 images, expected 4; was the list changed during the run?"),
        ({"seconds": 0}, "seconds is 0, expected a number above 0"),
        ({"images_per_s": None}, "images_per_s is None, expected a number above 0"),
        ({"images_per_s": float("nan")}, "images_per_s is nan, expected a number above 0"),
        ({"memory_images_per_s": -1.0}, "memory_images_per_s is -1.0, expected a number above 0"),
    ],
)
def test_a_report_that_cannot_be(tmp_path, changes, sentence):
    path = written(tmp_path, **changes)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {sentence}')}$"):
        read_report(path, 4)


def test_another_file(tmp_path):
    path = tmp_path / "report.json"
    for content, key in (('{"images": 4}', "'rehearsal'"), ("[]", "list indices")):
        path.write_text(content)
        with pytest.raises(InputError, match=f"no {key}.* in it, expected the report of vaststreamx_infer.py$"):
            read_report(path, 4)
