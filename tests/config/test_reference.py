import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pth2map.config.reference import PAGE_FILE, SCHEMA_FILE, json_schema, reference_page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("file", "written"), [(SCHEMA_FILE, json_schema), (PAGE_FILE, reference_page)])
def test_schema_and_page_are_up_to_date(file, written):
    assert (ROOT / file).read_text(encoding="utf-8") == written(), f"{file} differs from the types: run make docs"


def test_the_schema_takes_the_shipped_config_and_refuses_another():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    assert not list(validator.iter_errors(config))
    config["models"]["retinaface"]["datset"] = 1
    assert list(validator.iter_errors(config))
