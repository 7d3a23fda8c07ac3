import copy
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from pth2map.config.read import merged, read_points

ROOT = Path(__file__).parents[2]


def test_overlays_come_one_after_the_other(tmp_path):
    (tmp_path / "a.yaml").write_text("datasets: {widerface: {subset: {first: 3}}}\ntensor_shards: 3\n")
    (tmp_path / "b.json").write_text('{"models": {"retinaface": {"export": {"parity": {"max_abs": 2e-3}}}}}')
    (tmp_path / "c.yaml").write_text("models: {retinaface: {export: {dynamic: [batch, height]}}}\ntensor_shards: 4\n")
    points = read_points(ROOT, [tmp_path / name for name in ("a.yaml", "b.json", "c.yaml")])
    assert points.dataset("widerface").subset.first == 3
    assert points.config.tensor_shards == 4
    export = points.model("retinaface").export
    assert (export.opset, export.dynamic, export.parity.images) == (11, ["batch", "height"], 3)
    assert export.parity.max_abs == 2e-3


LEAVES = st.one_of(st.none(), st.integers(0, 3), st.just([]), st.lists(st.integers(0, 2), max_size=2))
TREES = st.dictionaries(
    st.sampled_from("abc"), st.recursive(LEAVES, lambda t: st.dictionaries(st.sampled_from("abc"), t))
)


@given(TREES, TREES)
def test_keys_are_merged_as_snakemake_does(config, changes):
    expected = copy.deepcopy(config)
    update_config(expected, changes)
    assert merged(copy.deepcopy(config), changes) == expected
