"""Put what vamc has compiled in its place, if it is whole; otherwise say in one sentence why it is not."""

import argparse
import shutil
from pathlib import Path

import _library  # noqa: F401  isort: skip
from _vendor import add_tool_arguments, printed_by, require_declared, taking, telling_the_log
from pth2map.engines.vamc import is_rehearsed, judge, model_files
from pth2map.files.atomic import replacing_folder
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_tool_arguments(parser)
    parser.add_argument("--settings", required=True, metavar="JSON", help="the engine's entry in the config")
    parser.add_argument("--made", required=True, type=Path, help="vamc's workspace: the folder `compiled` in it")
    parser.add_argument("--compiled", required=True, type=Path, help="output: folder of the compiled model")
    args = parser.parse_args()
    with taking(args.made), replacing_folder(args.compiled) as folder:
        made = args.made / "compiled"
        with telling_the_log(args):
            judge(made, printed_by(args), args.status)
        require_declared(args.settings, is_rehearsed(made))
        for path in model_files(made):
            shutil.move(path, folder / path.name)  # scratch/ and results/ may be on different disks


if __name__ == "__main__":
    run(main)
