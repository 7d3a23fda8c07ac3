"""The arguments that every score of a point takes, and what is written of any of them."""

import argparse
import json
from pathlib import Path

import numpy as np

from _shard import add_recipe_arguments, recipe_of
from pth2map.datasets.calibration import CalibrationList
from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.training_set import TrainingSet
from pth2map.evaluation.results import Result, Scores, engine_clause, training_clause
from pth2map.files.atomic import read_json, write_json, write_npz, write_text
from pth2map.files.provenance import describe_run, merge_runs
from pth2map.recipes.detections import Detections


def add_point_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--model", required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--leaf", required=True, metavar="JSON", help="config of this point")
    parser.add_argument("--leaf-hash", required=True)
    parser.add_argument("--code", required=True, help="hash of the code of all stages")
    parser.add_argument("--index", required=True, type=Path)
    parser.add_argument("--ground-truth", required=True, type=Path)
    parser.add_argument("--parity", required=True, type=Path, help="parity of the graph that ran")
    parser.add_argument("--detections", required=True, type=Path)
    parser.add_argument("--runs", required=True, nargs="+", type=Path, help="where each shard ran (.json)")
    parser.add_argument("--calibration", type=Path, metavar="LIST", help="calibration images of int8 (.json)")
    parser.add_argument("--training", type=Path, metavar="RECORD", help="of weights that were trained here (.json)")
    parser.add_argument(
        "--trained-on", nargs="*", type=Path, default=[], metavar="NPZ", help="the sets of that training"
    )
    parser.add_argument("--text", required=True, type=Path, help="output: map.txt")
    parser.add_argument("--json", required=True, type=Path, help="output: map.json")
    parser.add_argument("--provenance", required=True, type=Path, help="output: provenance.json")
    parser.add_argument("--curves", required=True, type=Path, help="output: precision and recall (.npz)")


def write_result(
    args: argparse.Namespace, detections: Detections, scores: Scores, curves: dict[str, np.ndarray]
) -> None:
    """Write map.txt, map.json, provenance and curves of scored detections."""
    recipe = recipe_of(args)
    index = DatasetIndex.load(args.index)
    leaf = json.loads(args.leaf)
    runs = merge_runs([read_json(path) for path in args.runs])
    parity = read_json(args.parity)
    calibration = CalibrationList.load(args.calibration) if args.calibration else None
    evaluated = {image.sha256 for image in index.images}
    sets = [TrainingSet.load(path) for path in args.trained_on]
    seen = {images.part: len(evaluated & set(images.hashes)) for images in sets}
    result = Result(
        model=args.model,
        engine=args.engine,
        kind=leaf["engine"]["kind"],
        variant=args.variant,
        index=index,
        scores=scores,
        synthetic=parity["weights"]["synthetic"],
        weights=leaf["weights"],
        rehearsal=leaf["rehearsal"],
        trained_on_evaluation=bool(seen.get("train")),
        calibrated_on_evaluation=bool(calibration and calibration.of_evaluation),
        protocol=[
            f"network: {args.network}",
            *([training_clause(leaf["training"], seen)] if leaf["training"] else []),
            *recipe.preprocess().protocol(),
            *recipe.decode().protocol(),
            engine_clause(runs, leaf["precision"], leaf["batch"]),
            *([calibration.clause()] if calibration else []),
        ],
        hashes={
            "weights": parity["weights"]["sha256"],
            "images": index.images_hash,
            "ground_truth": index.ground_truth,
            "config": args.leaf_hash,
            "code": args.code,
            "detections": detections.content_hash(),
            **({"calibration": calibration.content_hash()} if calibration else {}),
        },
    )
    provenance = {
        "point": leaf,
        "dataset_root": index.root,
        **({"train": read_json(args.training)} if args.training else {}),
        "export": parity,
        "infer": runs,
        "score": describe_run(),
    }
    write_npz(args.curves, **curves, caption=np.array(result.caption()))
    write_json(args.provenance, provenance)
    write_text(args.text, result.to_text())
    write_json(args.json, result.to_json())
