"""What Vastai's stand-ins are given: a small RetinaFace, its YAML and JSON, and pictures."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import yaml
from tests.synthetic_weights import SCALES

from pth2map.export.onnx import export_onnx
from pth2map.networks.catalogue import build
from pth2map.networks.formula import formula_state_dict
from pth2map_rehearsal.vamc import main

SIZE = 64
COMPILE = {
    "name": "faces",
    "frontend": {
        "shape": {"image": [1, 3, SIZE, SIZE]},
        "type": "onnx",
        "checkpoint": "model.onnx",
        "dtype": "fp32",
    },
    "backend": {
        "type": "tvm_vacc",
        "dtype": "fp16",
        "compile": {"data_transport_mode": 3, "cluster_mode": 0},
        "quantize": {"calibrate_mode": "kl_divergence"},
    },
    "graph": {
        "extra_ops": {
            "type": "retinaface_nms",
            "params": {
                "num_classes": 1,
                "nms_threshold": 0.4,
                "confidence_threshold": 0.02,
                "anchor": [16, 32, 64, 128, 256, 512],
            },
        }
    },
    "dataset": {
        "type": "tvm",
        "path": "calibration",
        "sampler": {"suffix": "jpg", "get_data_num": 3},
        "process_ops": [
            {"type": "DecodeImage"},
            {"type": "CvtColor", "code": "COLOR_RGB2BGR"},
            {"type": "Resize", "size": [SIZE, -1], "adaptive_side": "long"},
            {"type": "Pad", "pad_to_square": True},
            {"type": "Normalize", "div255": False, "mean": [104, 117, 123], "std": [1, 1, 1]},
            {"type": "ToTensor"},
        ],
    },
    "workspace": {"path": "./deploy_weights/"},
}
VDSP = {
    "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {
        "IimageFormat": "RGB_PLANAR",
        "IimageWidth": 640,
        "IimageHeight": 640,
        "OimageWidth": SIZE,
        "OimageHeight": SIZE,
        "IimageWidthPitch": 640,
        "IimageHeightPitch": 640,
        "Mean": [104.0, 117.0, 123.0],
        "Std": [1.0, 1.0, 1.0],
        "NormaType": "MINUSMEAN_DIVSTD",
        "ColorCvtCode": "RGB2BGR",
        "ResizeType": "BILINEAR_CV",
    },
}
GONE = object()


def changed(values, changes):
    """``values`` with others at dotted paths, such as ``backend.dtype``; ``GONE`` takes a key out."""
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *blocks, key = path.split(".")
        block = values
        for name in blocks:
            block = block[int(name) if isinstance(block, list) else name]
        if value is GONE:
            del block[key]
        elif isinstance(block, list):
            block[int(key)] = value
        else:
            block[key] = value
    return values


def compiled(prefix_name="faces", **changes):
    """Status of ``vamc compile`` in this folder; underscores of the paths that change are two for a dot."""
    paths = {path.replace("__", "."): value for path, value in changes.items()}
    Path("compile.yaml").write_text(yaml.safe_dump(changed(COMPILE, {"name": prefix_name, **paths})))
    return main(["compile", "compile.yaml"])


def write_vdsp(path="vdsp.json", **changes):
    """Keys of ``OpConfig`` as keywords."""
    Path(path).write_text(json.dumps(changed(VDSP, {f"OpConfig.{key}": value for key, value in changes.items()})))
    return path


def export_faces(path, size=SIZE, opset=10):
    network = build("retinaface_mobilenet025")
    network.load_state_dict(formula_state_dict(network, SCALES))
    export_onnx(network.eval(), path, (1, 3, size, size), ["loc", "conf", "landms"], opset=opset)


def picture(height, width, seed=0):
    """``(h, w, 3)`` uint8 of blots, as the library has images: BGR."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def planes(image):
    """The same as the card has it: ``(3, h, w)`` RGB."""
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))


def write_calibration(folder, count=3):
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.jpg"), picture(40 + 30 * number, 110, seed=number))
