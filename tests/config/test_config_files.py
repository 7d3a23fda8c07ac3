import pytest

from pth2map.config.files import refuse_formulas
from pth2map.files.errors import InputError


@pytest.mark.parametrize(
    "text", ["", "models:\n", "models: {a: {weights: b}, c: {weights: {path: d.pth}}}", "engines: {}"]
)
def test_a_config_without_weights_by_formula_passes(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    refuse_formulas(tmp_path / "config.yaml")


def test_weights_by_formula_are_named(tmp_path):
    (tmp_path / "config.yaml").write_text("models: {a: {weights: {formula: []}}, b: {weights: c}}")
    with pytest.raises(InputError, match=r"config\.yaml: models\.a\.weights: found formula; .* overlays"):
        refuse_formulas(tmp_path / "config.yaml")
