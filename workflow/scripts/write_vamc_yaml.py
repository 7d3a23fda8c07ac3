"""Write the configuration by which vamc compiles a graph for a Vastai card."""

import argparse
import json
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _shard import add_recipe_arguments, recipe_of
from pth2map.datasets.calibration import CalibrationList
from pth2map.engines.vamc import Calibration, Compilation, compile_yaml, extra_op
from pth2map.engines.vdsp import letterbox_op
from pth2map.files.atomic import write_text
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument("--graph", required=True, help="the exported graph (.onnx)")
    parser.add_argument("--input-name", default="image", help="of the graph")
    parser.add_argument("--precision", required=True, choices=["fp16", "int8"])
    parser.add_argument("--compile", required=True, metavar="JSON", help="compile.vastai of the block in the config")
    parser.add_argument("--workspace", required=True, help="where vamc makes the folder of the model")
    parser.add_argument("--name", required=True, help="of that folder")
    parser.add_argument("--calibration", type=Path, metavar="LIST", help="calibration images (.json), for int8")
    parser.add_argument("--calibration-folder", help="where they lie")
    parser.add_argument("--yaml", required=True, type=Path, help="output")
    args = parser.parse_args()
    if (args.calibration is None) != (args.calibration_folder is None):
        parser.error("--calibration and --calibration-folder go together")
    recipe, options = recipe_of(args), json.loads(args.compile)
    op = letterbox_op(recipe)
    calibration = None
    if args.calibration:
        calibration = Calibration(
            folder=args.calibration_folder,
            images=len(CalibrationList.load(args.calibration).images),
            op=op,
            mode=options["calibrate_mode"],
            per_channel=options["quantize_per_channel"],
        )
    compilation = Compilation(
        name=args.name,
        checkpoint=args.graph,
        input_name=args.input_name,
        shape=(1, 3, op.height, op.width),
        dtype=args.precision,
        workspace=args.workspace,
        data_transport_mode=options["data_transport_mode"],
        cluster_mode=options["cluster_mode"],
        extra_op=extra_op(recipe),
        calibration=calibration,
    )
    write_text(args.yaml, compile_yaml(compilation))


if __name__ == "__main__":
    run(main)
