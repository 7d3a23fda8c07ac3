import pytest

from pth2map.engines.catalogue import KINDS
from pth2map.files import code
from pth2map.files.code import code_hash
from pth2map.networks.catalogue import NETWORKS
from pth2map.recipes.catalogue import RECIPES


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A command that uses one module of two, which uses another."""
    monkeypatch.setattr(code, "_SOURCE", tmp_path)
    for cached in (code._tree_hash, code._imports):
        cached.cache_clear()
    package = tmp_path / "pth2map"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "used.py").write_text(
        "from pth2map import catalogue\nfrom pth2map.deeper import g\n\ndef f():\n    return g()\n"
    )
    (package / "deeper.py").write_text('"""Doc."""\n\ndef g():\n    """Doc."""\n    return 1\n')
    (package / "unused.py").write_text("X = 1\n")
    (package / "catalogue.py").write_text("TABLE = {'a': 'pth2map.unused'}\n")
    (tmp_path / "_beside.py").write_text("Y = 1\n")
    (tmp_path / "command.py").write_text("import _beside\nfrom pth2map import used\n\nused.f()\n")
    return tmp_path


def hash_after(project, file, content, *modules):
    (project / file).write_text(content)
    for cached in (code._tree_hash, code._imports):
        cached.cache_clear()
    return code_hash(project / "command.py", *modules)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("pth2map/deeper.py", "def g():\n    return 2\n"),
        ("pth2map/used.py", "def f():\n    return 1\n"),
        ("_beside.py", "Y = 2\n"),
        ("command.py", "from pth2map import used\n\nused.f()\n"),
    ],
)
def test_what_the_command_uses_changes_the_hash(project, file, content):
    before = code_hash(project / "command.py")
    assert hash_after(project, file, content) != before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("pth2map/unused.py", "X = 2\n"),
        ("pth2map/catalogue.py", "TABLE = {}\n"),
        ("pth2map/deeper.py", '"""Other."""\n\n\ndef g():  # why\n    """Other."""\n    return (1)\n'),
    ],
)
def test_what_it_does_not_use_and_comments_do_not(project, file, content):
    before = code_hash(project / "command.py")
    assert hash_after(project, file, content) == before


def test_a_module_chosen_at_run_time_counts_when_named(project):
    before = code_hash(project / "command.py", "pth2map.unused")
    assert before != code_hash(project / "command.py")
    assert hash_after(project, "pth2map/unused.py", "X = 2\n", "pth2map.unused") != before


def test_text_that_is_picked_counts_as_it_is(project):
    assert code_hash(project / "command.py", "loc, conf") != code_hash(project / "command.py", "conf, loc")


def test_every_module_that_is_loaded_by_name_can_be_counted():
    modules = {*KINDS.values(), *(entry.module for entry in NETWORKS.values())}
    modules |= {module for entry in RECIPES.values() for module in (entry.preprocess, entry.decode)}
    for module in modules:
        assert code._files_of(module), module


def test_what_a_table_imports_for_its_rows_does_not_count(project):
    table = "pth2map/catalogue.py"
    before = hash_after(project, table, "from pth2map import unused\nTABLE = {'a': 'pth2map.unused'}\n")
    assert hash_after(project, "pth2map/unused.py", "X = 2\n") == before
    assert hash_after(project, "pth2map/unused.py", "X = 3\n", "pth2map.unused") != before
