"""docs/troubleshooting.md: written by running every case, and what the tests hold the cases to.

``python -m tests.bad_input.page`` writes it anew.
"""

import importlib
import sys
from pathlib import Path

import pytest
from tests.bad_input.case import ROOT, Area, Case, Unavailable, produce, row

PAGE = ROOT / "docs/troubleshooting.md"
MODULES = (
    "config",
    "fetching",
    "dataset_images",
    "ground_truth",
    "coco",
    "face_labels",
    "training",
    "weights",
    "graphs",
    "stages",
    "vendor_tools",
    "result_texts",
    "detect",
    "surroundings",
    "whole_runs",
)
HEAD = """\
# Troubleshooting

A command that cannot go on writes one sentence that begins with `error:`, ends with status 2 and leaves what lay under
its outputs as it was. In a run of Snakemake that sentence is in the log of the job, and Snakemake prints the log with
its path (`logs/<model>/<engine>/<variant>/...`); it removes the outputs of a job before it starts it. What is wrong
with the config or a target is said before any job, in a `WorkflowError` or `InputError`, under which Snakemake may put
a traceback. Mend the input and give the same command again: what is done stays done, and only what depends on the
mended input is made anew.

Each row was produced by a test that ran the case (`tests/bad_input`), `<folder>` standing for where and `...` for what
may be chosen; where it says *works*, the input is merely odd. `make docs` writes this page.
"""
COLUMNS = "| what | what pth2map says | what to do |\n| --- | --- | --- |\n"


def areas() -> list[Area]:
    """The tables, in their order on the page."""
    return [importlib.import_module(f"tests.bad_input.test_{name}").AREA for name in MODULES]


def hold(area: Area, case: Case) -> None:
    """Run a case and compare with its row of the page."""
    try:
        said = produce(case)
    except Unavailable as reason:
        pytest.skip(str(reason))
    rows = rows_of_page().get(area.title, [])
    number = area.cases.index(case)
    assert number < len(rows), f"no row for {case.id}; write the page anew"
    assert row(case, said) == rows[number]


def rows_of_page() -> dict[str, list[str]]:
    """The rows of the page by the title of their table."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith(("| what ", "| --- ")):
            found.setdefault(title, []).append(line)
    return found


def write_page() -> None:
    """Run every case; a row whose case cannot be produced here stays as it was."""
    old = rows_of_page() if PAGE.is_file() else {}
    text = HEAD
    for area in areas():
        text += f"\n## {area.title}\n\n{COLUMNS}"
        for number, case in enumerate(area.cases):
            try:
                line = row(case, produce(case))
            except Unavailable as reason:
                print(f"{case.id}: kept as it was ({reason})", file=sys.stderr)
                line = old[area.title][number]
            text += f"{line}\n"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
    write_page()
