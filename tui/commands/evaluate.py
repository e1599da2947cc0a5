"""``evaluate MODEL DATA``: how good a model is on labelled clips, with the protocol that the figures hold for."""

import argparse
from pathlib import Path

import msgspec

from tui.commands.common import Progress, add_runs_option, narrate, runs_dir
from tui.exits import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default for the one that ships")
    parser.add_argument("data", metavar="DATA", help="a folder of genres, or a feature pack")
    parser.add_argument(
        "--part",
        metavar="PART",
        help="train, valid or test as in the model's training, or all; with --split-column a value of that column "
        "(without it: every clip that the model has not learnt from)",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="look the part up in this column of the index")
    parser.add_argument("--index", type=Path, metavar="CSV", help="the index, where the dataset has none of its own")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]|mps")
    parser.add_argument("--json", action="store_true", help="one object")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from core.inference.find_model import find_model

    path = find_model(args.model, runs_dir(args))

    from core.reports.assessment import Assessment, as_text
    from core.training.evaluate import evaluate

    narrate(f"evaluating {path}")
    figures = evaluate(
        path,
        args.data,
        part=args.part,
        split_column=args.split_column,
        index=args.index,
        device=args.device,
        on_features=Progress("spectrograms"),
    )
    if args.json:
        print(msgspec.json.encode(figures).decode())
    else:
        heading = f"{figures['model']} on {figures['dataset']}: {figures['protocol']}"
        print(as_text(msgspec.convert(figures, Assessment), heading), end="")
    return DONE
