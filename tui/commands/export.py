"""``export MODEL OUT`` and ``import ARCHIVE OUT``: models for other programs and other machines."""

import argparse
from pathlib import Path

from core.inference.find_model import find_model
from core.util.atomic import output_path
from tui.commands.common import add_runs_option, runs_dir, writing
from tui.commands.exit_codes import DONE, UsageError
from tui.shell.printing import print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default")
    parser.add_argument(
        "out",
        metavar="OUT",
        type=Path,
        help="file to write; NAME.onnx: the whole path from waveform to probabilities; NAME.zip: weights and recipe",
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
    with writing(args.out), output_path(args.out) as path:
        export(model, args.out.stem, path)
        size = path.stat().st_size
    print_note(f"wrote {args.out} ({size / 1e6:,.1f} MB)")
    return DONE


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="a .zip that genre-tui export has written")
    parser.add_argument("out", metavar="OUT", type=Path, help="model file to write, NAME.pth, for --model")


def run_import(args: argparse.Namespace) -> int:
    if args.out.exists():
        raise UsageError(f"{args.out} exists already; choose another name")
    from core.export.archive import import_archive

    with writing(args.out), output_path(args.out) as path:
        manifest = import_archive(args.archive, path)
    print_note(
        f"wrote {args.out}: {manifest.recipe.model}, {len(manifest.genres)} genres: {', '.join(manifest.genres)}"
    )
    return DONE
