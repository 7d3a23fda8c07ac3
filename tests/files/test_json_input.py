import gc
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pth2map.files.errors import InputError
from pth2map.files.json_input import collector_paused, read_json_input


def test_the_value(tmp_path):
    path = tmp_path / "value.json"
    for text in ('{"a": [1, 2.5, "é"]}', '\ufeff{"a": [1, 2.5, "é"]}'):
        path.write_text(text, encoding="utf-8")
        assert read_json_input(path, "anything") == {"a": [1, 2.5, "é"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole JSON file (it is empty), expected a list"),
        (b'[1, {"a": 2', "not a whole JSON file (Expecting ',' delimiter at character 11), expected a list"),
        (b"<!DOCTYPE html>", "not a whole JSON file (it looks like a web page, perhaps of a login or an error)"),
        (b"PK\x03\x04 and more", "not a whole JSON file (it looks like an archive; unpack it)"),
        (b'["\xff"]', "cannot be read as JSON ("),
        (b"[" * 100_000, "cannot be read as JSON (maximum recursion depth exceeded"),
        (b"1" * 10_000, "cannot be read as JSON (Exceeds the limit (4300 digits)"),
    ],
)
def test_what_is_no_json_is_a_sentence(tmp_path, content, message):
    (tmp_path / "value.json").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/value.json: {message}")):
        read_json_input(tmp_path / "value.json", "a list")


def test_a_file_that_is_not_there(tmp_path):
    for path, fault in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=f"{path}: {fault}, expected a list"):
            read_json_input(path, "a list")


@given(st.binary(max_size=30))
def test_any_bytes_are_a_value_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        value = read_json_input(path, "a list")
    except InputError:
        return
    assert json.dumps(value) == json.dumps(json.loads(content))


def test_the_collector_is_as_it_was():
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()
