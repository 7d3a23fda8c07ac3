"""The command line of ais_bench."""

import argparse
from collections.abc import Sequence

from ais_bench.log import error
from ais_bench.vintage import Vintage

_DEVICES = 256
_NOT_REHEARSED = {
    "dymBatch": 0,
    "dymHW": None,
    "dymDims": None,
    "dymShape": None,
    "dymShape_range": None,
    "outputSize": None,
    "auto_set_dymshape_mode": False,
    "auto_set_dymdims_mode": False,
    "run_mode": "array",
    "profiler": False,
    "dump": False,
    "acl_json_path": None,
    "debug": False,
}
"""Flags that only their defaults may have here."""


def parse(arguments: Sequence[str], vintage: Vintage) -> argparse.Namespace:
    """Ends with status 2 on what is no flag of ``vintage``, 1 on what is not rehearsed.

    Raises ``RuntimeError`` for flags that do not go together, after a line that names them, as ais_bench does.
    """
    args = _parser(vintage).parse_args(arguments)
    if args.profiler and args.dump:
        error("parameter --profiler cannot be true at the same time as parameter --dump, please check them!\n")
        raise RuntimeError("error bad parameters --profiler and --dump")
    if (args.profiler or args.dump) and args.output is None:
        error("when dump or profiler, miss output path, please check them!")
        raise RuntimeError("miss output parameter!")
    if args.output is None and args.output_dirname is not None:
        error("parameter --output_dirname cann't be used alone. Please use it together with the parameter --output!\n")
        raise RuntimeError("error bad parameters --output_dirname")
    for name, default in _NOT_REHEARSED.items():
        if (value := getattr(args, name)) != default:
            error(f"--{name} {value} is not rehearsed; only ais_bench itself can take it")
            raise SystemExit(1)
    return args


def _parser(vintage: Vintage) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ais_bench", description="The rehearsal's stand-in of ais_bench.")
    add = parser.add_argument
    add(*vintage.model_flags, dest="model", required=True, help="the compiled model (.om)")
    add("--input", "-i", help="files, or one folder for each input of the model, separated by commas")
    add("--output", "-o", help="folder in which that of the outputs is made")
    add("--output_dirname", help="its name; a time stamp if it is not given")
    add("--outfmt", default="BIN", choices=["NPY", "BIN", "TXT"], help="format of outputs")
    add(*vintage.loop_flags, dest="loop", type=_positive, default=1, help="executions of each run")
    add(*vintage.device_flags, dest="device", type=_device, default=0, help="0 to 255, or some with commas")
    add("--batchsize", type=_positive, default=vintage.batchsize, help="batch of the throughput")
    add("--pure_data_type", default="zero", choices=["zero", "random"], help="what goes in without --input")
    add("--warmup_count", type=_not_negative, default=1, help="executions that do not count")
    add("--output_batchsize_axis", type=_not_negative, default=0, help="axis along which outputs are split")
    add("--display_all_summary", type=_boolean, default=False, help="times of copies as well")
    add("--dymBatch", type=int, default=0)
    add("--run_mode", default="array", choices=["array", "files", "tensor", "full"])
    for name in ("dymHW", "dymDims", "dymShape", "dymShape_range", "outputSize", "acl_json_path"):
        add(f"--{name}")
    for name in ("auto_set_dymshape_mode", "auto_set_dymdims_mode", "profiler", "dump", "debug"):
        add(f"--{name}", type=_boolean, default=False)
    return parser


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is an invalid positive int value")
    return value


def _not_negative(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is an invalid nonnegative int value")
    return value


def _boolean(text: str) -> bool:
    values = {
        **dict.fromkeys(("yes", "true", "t", "y", "1"), True),
        **dict.fromkeys(("no", "false", "f", "n", "0"), False),
    }
    if text.lower() not in values:
        raise argparse.ArgumentTypeError("expected true, 1, false or 0")
    return values[text.lower()]


def _device(text: str) -> int | list[int]:
    numbers = [int(number) for number in text.split(",")]
    for number in numbers:
        if number not in range(_DEVICES):
            raise argparse.ArgumentTypeError(f"device:{text} is invalid. valid value range is [0, {_DEVICES - 1}]")
    return numbers if "," in text else numbers[0]
