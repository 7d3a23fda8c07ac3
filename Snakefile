# pth2map: from detector weights to mAP. The map of the workflow: config, includes, targets.
# Each model is a block of config/config.yaml; `snakemake --cores 8 results/retinaface/map.txt` makes its result.

import sys

from snakemake.utils import min_version

min_version("9.0")

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
sys.path.insert(0, str(ROOT / "src"))


configfile: str(ROOT / "config" / "config.yaml")


include: "workflow/rules/common.smk"


wildcard_constraints:
    **POINTS.patterns,


include: "workflow/rules/fetch.smk"
include: "workflow/rules/render.smk"
include: "workflow/rules/index.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/engines/onnxruntime.smk"
include: "workflow/rules/engines/torchscript.smk"
include: "workflow/rules/engines/ascend.smk"
include: "workflow/rules/engines/torch_aie.smk"
include: "workflow/rules/engines/vastai.smk"


for rules_file in POINTS.rules_files():

    include: rules_file


include: "workflow/rules/decode.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


rule all:
    """The result of every model of the config, but of those that are trained here, or wait for files which only a person can get."""
    default_target: True
    input:
        every_headline,


rule fetch:
    """Everything from elsewhere that the models of the config need, such as on a machine that has the network."""
    input:
        everything_declared,
