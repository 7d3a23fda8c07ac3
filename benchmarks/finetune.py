"""Is the loss right on real data? Train the published RetinaFace mobilenet0.25 on, and score it on images it never saw.

Of each event of the mini set two images of three are trained on, with their boxes alone, and the third is held out. The
loss on those must fall, and their AP stay within noise: to weights that have seen 12,880 images a few hundred steps on
244 more have little to teach, but a wrong target or gradient would ruin them. All of it runs through the workflow:
labels, index, training, export, AP. By hand, some minutes: ``python benchmarks/finetune.py --folder FOLDER``.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import yaml
from harness import ROOT, Workspace, mirror, run_together

from pth2map.datasets.training_set import TrainingSet
from pth2map.datasets.widerface import read_ground_truth
from pth2map.training.settings import TrainingSettings
from pth2map.training.trainer import Plan, Trainer
from pth2map.training.world import joined

WEIGHTS = "weights/retinaface/mobilenet0.25_Final.pth"
SETTINGS = {"size": 640, "batch_size": 32, "learning_rate": 2e-5, "epochs": 20, "warmup_epochs": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, type=Path, help="working folder; what is there is used again")
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root = mirror() / "widerface-mini"
    held = held_out(root)
    (folder / "held_out.txt").write_text("".join(f"{name}\n" for name in held))
    for part, option in (("train", "--except"), ("val", "--list")):
        labels = folder / f"{part}.txt"
        options = ["--root", root, option, folder / "held_out.txt", "--labels", labels]
        run_together([[ROOT / "workflow/scripts/write_face_labels.py", *options]], folder)
    settings = {**SETTINGS, "max_steps": args.steps, "seed": args.seed}
    overlay = folder / f"finetune-{args.seed}.yaml"
    overlay.write_text(yaml.safe_dump(config(folder, root, settings)))
    workspace = Workspace(folder, (overlay,))
    maps = [folder / f"results/{name}/map.json" for name in ("before", f"after_{args.seed}")]
    workspace.make(*maps)
    losses = [loss_of_start(folder, settings), *losses_of(folder / f"results/after_{args.seed}/train/epochs.tsv")]
    print(f"{args.steps} steps, seed {args.seed}: loss on {len(held)} images held out, then after each epoch")
    print(" ".join(f"{loss:.4f}" for loss in losses))
    for path in maps:
        metrics = json.loads(path.read_text())["metrics"]
        print(f"{path.parent.name:<10}", " ".join(f"{name} {value:.2%}" for name, value in metrics.items()))
    if losses[-1] >= losses[0]:
        sys.exit("error: the loss on the images held out has not fallen")


def held_out(root: Path) -> list[str]:
    """Every third image of each event."""
    events = defaultdict(list)
    for name in sorted(read_ground_truth(root / "ground_truth").names):
        events[name.partition("/")[0]].append(name)
    return [name for names in events.values() for name in names[2::3]]


def config(folder: Path, root: Path, settings: dict[str, object]) -> dict[str, object]:
    """Two blocks that differ in their weights: the published ones, and these trained on."""
    images = str(root / "WIDER_val/images")
    block = {
        "network": "retinaface_mobilenet025",
        "dataset": "widerface",
        "recipe": {"kind": "retinaface", "preprocess": {"resize": "long_side"}},
        "engines": ["onnxruntime"],
        "variants": {"sizes": [1000]},
    }
    labels = {
        part: {"labels": str(folder / f"{file}.txt"), "images": images}
        for part, file in (("train", "train"), ("validation", "val"))
    }
    faults = {"outside": "keep"}
    training = {**settings, "start_from": {"path": str(mirror() / WEIGHTS)}, "workers": 1, "threads": 1}
    return {
        "datasets": {
            "widerface": {
                "subset": {"list": str(folder / "held_out.txt")},
                "shards": 2,
                "training": {**labels, "faults": faults},
            }
        },
        "models": {
            "before": {**block, "weights": {"path": str(mirror() / WEIGHTS)}},
            f"after_{settings['seed']}": {**block, "weights": {"training": training}},
        },
    }


def loss_of_start(folder: Path, settings: dict[str, object]) -> float:
    """The validation loss before the first step."""
    sets = [TrainingSet.load(folder / f"scratch/training/widerface/{part}.npz") for part in ("train", "validation")]
    plan = Plan(
        network="retinaface_mobilenet025",
        settings=TrainingSettings.model_validate(settings),
        images=sets[0],
        validation=sets[1],
        start_from=mirror() / WEIGHTS,
        state=folder / "nothing",
    )
    with joined("cpu", [0], threads=2) as world:
        loss = Trainer(plan, world).validate()
    assert loss is not None
    return loss


def losses_of(table: Path) -> list[float]:
    """The validation loss of each epoch."""
    head, *rows = (line.split("\t") for line in table.read_text().splitlines())
    return [float(row[head.index("validation_loss")]) for row in rows]


if __name__ == "__main__":
    main()
