import hashlib
import os

import numpy as np

from pth2map.files.hashing import folder_state, hash_arrays, hash_file, hash_json


def test_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()
    assert hash_file(tmp_path / "a", "md5") == hashlib.md5(b"content").hexdigest()


def test_json_by_value():
    assert hash_json({"a": 1, "b": [2]}) == hash_json({"b": [2], "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": "1"})


def test_arrays_by_name_type_shape_and_value():
    base = np.arange(6, dtype=np.int32)
    hashes = [
        hash_arrays(arrays)
        for arrays in (
            {"x": base},
            {"y": base},
            {"x": base.astype(np.int64)},
            {"x": base.reshape(2, 3)},
            {"x": base + 1},
            {"x": base, "y": base},
        )
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_arrays({"x": base.reshape(2, 3).T}) == hash_arrays({"x": base.reshape(2, 3).T.copy()})


def test_a_folder_by_name_size_and_time(tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e/a").write_bytes(b"1")
    states = [folder_state(tmp_path, "*/*")]
    os.utime(tmp_path / "e/a", ns=(1, 1))
    states.append(folder_state(tmp_path, "*/*"))
    (tmp_path / "e/a").write_bytes(b"22")
    os.utime(tmp_path / "e/a", ns=(1, 1))
    states.append(folder_state(tmp_path, "*/*"))
    (tmp_path / "e/b").write_bytes(b"")
    states.append(folder_state(tmp_path, "*/*"))
    assert len(set(states)) == 4
    assert states[-1].startswith("2 files ")


def test_a_folder_with_all_that_links_lead_to(tmp_path):
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/b").write_bytes(b"1")
    (tmp_path / "images/own").mkdir(parents=True)
    (tmp_path / "images/own/a").write_bytes(b"1")
    states = [folder_state(tmp_path / "images")]
    (tmp_path / "images/part").symlink_to("../elsewhere")
    (tmp_path / "images/again").symlink_to("../elsewhere/deep")
    states.append(folder_state(tmp_path / "images"))
    (tmp_path / "elsewhere/deep/b").write_bytes(b"22")
    states.append(folder_state(tmp_path / "images"))
    assert len(set(states)) == 3
    assert states[-1].startswith("3 files ")


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "images/own").mkdir(parents=True)
    (tmp_path / "images/own/a").write_bytes(b"1")
    before = folder_state(tmp_path / "images")
    (tmp_path / "images/own/up").symlink_to("..")
    (tmp_path / "images/all").symlink_to(tmp_path)
    assert folder_state(tmp_path / "images") == before, "they lead to what was seen"
    (tmp_path / "images/itself").symlink_to("itself")
    assert folder_state(tmp_path / "images").startswith("2 files "), "one that leads nowhere is noticed"
    assert folder_state(tmp_path / "none").startswith("0 files ")
