"""``export MODEL OUT``: a model for other programs and other machines."""

import argparse
from pathlib import Path

from core.inference.find_model import find_model
from tui.commands.common import add_runs_option, narrate, runs_dir
from tui.commands.exit_codes import DONE, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default")
    parser.add_argument(
        "out",
        metavar="OUT",
        type=Path,
        help="what to write; NAME.onnx: the whole path from waveform to probabilities; NAME.zip: weights",
    )
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    suffix = args.out.suffix
    if suffix not in (".onnx", ".zip"):
        raise UsageError(f"{args.out} ends in neither .onnx nor .zip; the ending says what to write")
    model = find_model(args.model, runs_dir(args))
    if suffix == ".onnx":
        from core.export.onnx_file import export_onnx as export
    else:
        from core.export.archive import write_archive as export
    export(model, args.out.stem, args.out)
    narrate(f"{args.out} written ({args.out.stat().st_size / 1e6:,.1f} MB)")
    return DONE
