"""Commands about models: ``use`` one, ``export`` and ``import`` one, and the pretrained ``encoders``."""

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from core.inference.find_model import choose_model, find_model, list_models, model_in_use
from core.models.encoders.registry import ENCODERS, encoder_folder, is_installed
from core.runs.directory import find
from core.runs.folder import RunFolder
from core.runs.summary import LIVING
from tui.commands.common import add_runs_option, runs_dir, writing
from tui.formatting import fitted, model_table
from tui.shell.printing import DONE, UsageError, print_data, print_json, print_line, print_note


def add_use_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a run, a model file, or default for the bundled model"
    )
    parser.add_argument("--json", action="store_true", help="list the models as one JSON object per line")
    add_runs_option(parser)


def use(args: argparse.Namespace) -> int:
    folder = runs_dir(args)
    if args.model is not None:
        # Loaded first: a file that is not a model must not answer from now on.
        from core.inference.classifier import Classifier

        classifier = Classifier.load(find_model(args.model, folder), "cpu")
        used = choose_model(args.model, folder)
        print_note(f"{classifier.model} classifies from now on, for the runs in {folder} ({used.reason})")
        return DONE
    choices = list_models(folder)
    used = model_in_use(folder)
    if args.json:
        for choice in choices:
            print_json(msgspec.structs.asdict(choice) | {"path": str(choice.path), "in_use": choice.path == used.path})
        return DONE
    headings, *lines = model_table(choices)
    print_line(f"  {headings}")
    for choice, line in zip(choices, lines, strict=True):
        print_line(f"{'*' if choice.path == used.path else ' '} {line}")
    print_note(f"in use: {used.path} ({used.reason})")
    return DONE


def add_encoder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="list them as one JSON object per line")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    get = actions.add_parser("get", help="download an encoder's weights into the cache folder")
    get.add_argument(
        "name", metavar="NAME", help=f"{', '.join(ENCODERS)}, or a repository of the model hub, owner/name"
    )
    get.add_argument("--wheel", type=Path, metavar="FILE", help="musicnn: the package's wheel, downloaded elsewhere")


def encoders(args: argparse.Namespace) -> int:
    return _get_encoder(args) if args.action == "get" else _list_encoders(args)


def _get_encoder(args: argparse.Namespace) -> int:
    from core.models.encoders.load import get_from_hub
    from core.models.encoders.musicnn_wheel import get_musicnn, install

    musicnn = args.name == "musicnn"
    if args.wheel is not None and not musicnn:
        raise UsageError("--wheel belongs to musicnn: leave it out")
    if args.wheel is not None:
        folder = install(args.wheel)
    else:
        print_note(f"downloading {args.name}")
        folder = get_musicnn() if musicnn else get_from_hub(args.name)
    print_data(folder)
    licence = ENCODERS[args.name].licence if args.name in ENCODERS else f"see {folder / 'README.md'}"
    print_note(f"licence: {licence}; use it with: genre-tui train DATA --encoder {args.name}")
    return DONE


def _list_encoders(args: argparse.Namespace) -> int:
    facts: list[dict[str, Any]] = [
        {"name": name, "installed": is_installed(name), "window_seconds": info.window_seconds}
        | info._asdict()
        | {"folder": str(encoder_folder(name))}
        for name, info in ENCODERS.items()
    ]
    if args.json:
        for one in facts:
            print_json(one)
        return DONE
    rows = [("name", "licence", "size", "rate", "window", "dims", "installed", "")]
    for one in facts:
        size, rate = f"{one['megabytes']:g} MB", f"{one['sample_rate'] / 1000:g} kHz"
        window, here = f"{one['window_seconds']:.3g} s", "yes" if one["installed"] else "no"
        rows.append((one["name"], one["licence"], size, rate, window, str(one["dim"]), here, one["summary"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_line("  ".join(fitted(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not all(one["installed"] for one in facts):
        print_note("genre-tui encoders get NAME downloads one")
    return DONE


FOLLOW_SECONDS = 2.0


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
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


def export(args: argparse.Namespace) -> int:
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
        from core.export.onnx_file import export_onnx as write
    else:
        from core.export.archive import write_archive as write
    write(model, args.out.stem, args.out)
    print_note(f"wrote {args.out}" + (f" ({args.out.stat().st_size / 1e6:,.1f} MB)" if args.out.is_file() else ""))
    return DONE


def _tensorboard(run: RunFolder, folder: Path, *, follow: bool) -> int:
    """
    Raises:
        UserError: the folder cannot be written to.
    """
    from core.export.tensorboard import TensorBoardExport

    board = TensorBoardExport(run, folder)
    with writing(board.path):
        state = board.update()
        print_note(f"wrote {board.path}")
        while follow and state.status in LIVING:
            time.sleep(FOLLOW_SECONDS)
            state = board.update()
    return DONE


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="ARCHIVE", type=Path, help="a .zip that genre-tui export has written")
    parser.add_argument("out", metavar="OUT", type=Path, help="model file to write, NAME.pth, for --model")


def run_import(args: argparse.Namespace) -> int:
    if args.out.exists():
        raise UsageError(f"{args.out} exists already; choose another name")
    from core.export.archive import import_archive

    manifest = import_archive(args.archive, args.out)
    print_note(
        f"wrote {args.out}: {manifest.recipe.model}, {len(manifest.genres)} genres: {', '.join(manifest.genres)}"
    )
    return DONE
