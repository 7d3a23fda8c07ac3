"""Put the output files of vaststreamx in their place, if there is one for each image; otherwise say what is wrong."""

import argparse

import _library  # noqa: F401  isort: skip
from _card import add_card_arguments, require_card_outputs
from _shard import images_of
from _vendor import describe_vendor_run, move_outputs, printed_by, require_declared, taking, telling_the_log
from pth2map.engines.vaststreamx import read_report
from pth2map.engines.vendor_script import judge
from pth2map.files.atomic import replacing_folder, write_json
from pth2map.files.command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_card_arguments(parser)
    args = parser.parse_args()
    _, images = images_of(args)
    seconds = 0.0
    with taking(args.made), replacing_folder(args.outputs) as folder:
        if images:
            with telling_the_log(args):
                judge("vaststreamx", printed_by(args), args.status)
                require_card_outputs(args, images)
                report = read_report(args.made / "report.json", len(images))
            require_declared(args.settings, report.rehearsal)
            seconds = report.seconds
            move_outputs(args, "*.npz", folder)
    write_json(args.run, describe_vendor_run(args, "vamc and vaststreamx", seconds))


if __name__ == "__main__":
    run(main)
