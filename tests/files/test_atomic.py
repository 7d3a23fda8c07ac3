import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pth2map.files.atomic import expect_writable, replacing, replacing_folder, write_json, write_npz, write_text
from pth2map.files.errors import InputError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with replacing(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "out"
    with replacing_folder(path) as temporary:
        (temporary / "old").touch()
    with replacing_folder(path) as temporary:
        (temporary / "new").touch()
    assert [p.name for p in path.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), replacing_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [p.name for p in path.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_or_folder_that_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    disk, place = tmp_path / "disk", tmp_path / "place"
    for folder in (disk / "old", place):
        folder.mkdir(parents=True)
    (disk / "a.txt").write_text("old")
    for name, leads_to in (("set", "old"), ("new", "new"), ("a.txt", "a.txt")):
        (place / name).symlink_to(disk / leads_to)
    for name in ("set", "new"):
        for _ in range(2):
            with replacing_folder(place / name) as temporary:
                (temporary / "made").touch()
    write_text(place / "a.txt", "new")
    assert all(path.is_symlink() for path in place.iterdir())
    assert names_in(place) == ["a.txt", "new", "set"]
    assert names_in(disk) == ["a.txt", "new", "old"]
    assert names_in(disk / "old") == names_in(disk / "new") == ["made"]
    assert (disk / "a.txt").read_text() == "new"


def test_a_link_that_leads_to_itself_is_told_of(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop: cannot be written"), replacing_folder(tmp_path / "loop"):
        pass
    assert names_in(tmp_path) == ["loop"]


def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_what_a_killed_process_left_is_removed_a_link_without_what_it_leads_to(tmp_path, monkeypatch):
    monkeypatch.setattr("pth2map.files.atomic._HOST", "here")
    kept, pid = tmp_path / "kept", dead()
    kept.mkdir()
    (kept / "thesis.txt").touch()
    (tmp_path / f".out.here.{pid}.1.tmp").symlink_to(kept)
    (tmp_path / f".out.here.{pid}.2.tmp").symlink_to("nowhere")
    (tmp_path / f".out.here.{pid}.3.tmp").mkdir()
    (tmp_path / f".out.here.{pid}.4.tmp").touch()
    with replacing_folder(tmp_path / "out"):
        pass
    assert names_in(tmp_path) == ["kept", "out"]
    assert names_in(kept) == ["thesis.txt"]


@pytest.mark.parametrize("path", [".", "..", "inner/.."])
def test_the_working_folder_and_those_around_it_stay(path, tmp_path, monkeypatch):
    folder = tmp_path / "outer"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.chdir(folder if path == "inner/.." else folder / "inner")
    sentence = f"^{re.escape(path)}: cannot be replaced from within; call the command from another folder$"
    with pytest.raises(InputError, match=sentence), replacing_folder(Path(path)):
        pass
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["outer", "outer/inner"]


def test_what_can_be_written_is_expected_without_a_trace(tmp_path):
    path = tmp_path / "new/a.txt"
    expect_writable(path)
    assert not any(path.parent.iterdir())
    path.write_text("old")
    expect_writable(path)
    assert (names_in(path.parent), path.read_text()) == (["a.txt"], "old")
    with pytest.raises(InputError, match=r"a\.txt/b: cannot be written \(File exists\)"):
        expect_writable(path / "b")
    with pytest.raises(InputError, match="new: cannot be written"):
        expect_writable(path.parent)


def test_equal_values_give_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "ü"]})
    write_json(tmp_path / "b.json", {"a": [1.5, "ü"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    for name in "cd":
        write_npz(tmp_path / f"{name}.npz", x=np.arange(5), y=np.eye(2))
    assert (tmp_path / "c.npz").read_bytes() == (tmp_path / "d.npz").read_bytes()


def test_json_refuses_what_json_does_not_have(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"ap": float("nan")})
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "a.json", {"ap": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"ap": None}
