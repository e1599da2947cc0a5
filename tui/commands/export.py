"""``export`` and ``import``: models for other programs and other machines, and a run's curves for TensorBoard."""

import argparse
import time
from pathlib import Path

from core.inference.find_model import find_model
from core.runs.directory import find
from core.runs.folder import RunFolder
from core.runs.summary import LIVING
from core.util.atomic import output_path
from tui.commands.common import add_runs_option, runs_dir, writing
from tui.shell.printing import DONE, UsageError, print_note

FOLLOW_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default (--tensorboard: a run)")
    parser.add_argument(
        "out",
        metavar="OUT",
        nargs="?",
        type=Path,
        help="file to write; NAME.onnx: the whole path from waveform to probabilities; NAME.zip: weights and recipe",
    )
    parser.add_argument(
        "--tensorboard", metavar="DIR", type=Path, help="write a run's curves, for: tensorboard --logdir DIR"
    )
    parser.add_argument("--follow", action="store_true", help="with --tensorboard: until the run has ended")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    if args.tensorboard is not None:
        if args.out is not None:
            raise UsageError("--tensorboard takes the place of OUT; name one of them")
        return _tensorboard(find(runs_dir(args), args.model), args.tensorboard, follow=args.follow)
    if args.out is None or args.follow:
        missing = (
            "OUT, or --tensorboard DIR for a run's curves" if args.out is None else "--tensorboard DIR to --follow"
        )
        raise UsageError(f"name {missing}")
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


def _tensorboard(run: RunFolder, folder: Path, *, follow: bool) -> int:
    """
    Raises:
        UserError: the folder cannot be written to.
    """
    from core.export.tensorboard import TensorBoardExport

    export = TensorBoardExport(run, folder)
    with writing(export.path):
        state = export.update()
        print_note(f"wrote {export.path}")
        while follow and state.status in LIVING:
            time.sleep(FOLLOW_SECONDS)
            state = export.update()
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
