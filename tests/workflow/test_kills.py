"""Four kills at random moments; the long campaign is ``python -m tests.workflow.kills --kills 100``."""

from .kills import WAYS, campaign


def test_no_kill_changes_the_result(mirror, tmp_path):
    done, _ = campaign(kills=4, seed=0, work=tmp_path)
    assert {kill.way for kill in done} == set(WAYS)
    assert sum("snakemake" not in kill.at_work for kill in done) > 1, "most moments have a job at work"
