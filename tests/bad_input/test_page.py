"""docs/troubleshooting.md against the cases, without running them."""

import re
from collections import Counter

import pytest
from tests.bad_input.case import Area, row
from tests.bad_input.page import COLUMNS, HEAD, PAGE, areas, rows_of_page

AREAS = areas()


def test_the_page_is_what_is_written():
    """Head, tables and rows in their order; each row is of the case at its place (its own test holds what is said)."""
    rows = rows_of_page()
    tables = (f"\n## {area.title}\n\n{COLUMNS}" + "".join(f"{line}\n" for line in rows[area.title]) for area in AREAS)
    assert PAGE.read_text(encoding="utf-8") == HEAD + "".join(tables)


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.title)
def test_every_case_has_its_row_and_every_row_its_case(area: Area):
    rows = rows_of_page()[area.title]
    assert len(rows) == len(area.cases)
    for line, case in zip(rows, area.cases, strict=True):
        given, said, remedy = re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))
        assert (given, remedy) == tuple(row(case, said).removeprefix("| ").removesuffix(" |").split(" | "))[::2]


def test_cases_can_be_told_apart():
    for area in AREAS:
        for words in ("id", "given"):
            counts = Counter(getattr(case, words) for case in area.cases)
            assert max(counts.values()) == 1, counts.most_common(1)
    assert sum(len(area.cases) for area in AREAS) >= 45


def test_no_path_of_a_machine_is_in_the_page():
    said = "\n".join(line for rows in rows_of_page().values() for line in rows)
    assert not re.findall(r"(?<![\w.>])/(?:tmp|home|root|work|usr|var)/", said)
    assert "Traceback" not in said
