"""``evaluate MODEL DATA``: evaluates a model on labelled clips and names the protocol."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.runs.journal.log_lines import percent
from core.util.text import counted
from tui.commands.common import (
    DATA_HELP,
    Progress,
    add_device_option,
    add_label_options,
    add_runs_option,
    label_settings,
    runs_dir,
)
from tui.shell.printing import DONE, print_json, print_lines, print_note

if TYPE_CHECKING:
    from core.dataset.clip import Excluded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_label_options(parser)
    parser.add_argument(
        "--part",
        metavar="PART",
        help="train, valid or test as in the model's training, or all; with --split-column a value of that column "
        "(every clip that the model was not trained on)",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="metadata column that holds the parts")
    parser.add_argument("--index", type=Path, metavar="CSV", help="metadata, where the dataset has none of its own")
    parser.add_argument(
        "--against",
        metavar="MODEL",
        help="another model, evaluated on exactly the same clips: McNemar's test of the two",
    )
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from core.inference.find_model import find_model

    path = find_model(args.model, runs_dir(args))
    against = None if args.against is None else find_model(args.against, runs_dir(args))

    from core.reports.metrics import Assessment, as_text
    from core.training.evaluation.baseline import Baseline
    from core.training.evaluation.evaluate import evaluate

    print_note(f"evaluating {path}" + (f" against {against}" if against else ""))
    figures = evaluate(
        path,
        args.data,
        against=against,
        part=args.part,
        split_column=args.split_column,
        labels=label_settings(args),
        index=args.index,
        device=args.device,
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
        on_excluded=note_excluded,
        on_note=print_note,
    )
    if args.json:
        print_json(figures)
    else:
        heading = f"{figures['model']} on {figures['dataset']}: {figures['protocol']}"
        if "baseline" in figures:
            heading += f"\n{msgspec.convert(figures['baseline'], Baseline).as_text(figures['accuracy'])}"
        below = [*_levels(figures), *(_comparison(figures) if against else [])]
        print_lines(as_text(msgspec.convert(figures, Assessment), heading, "\n".join(below)))
    return DONE


def note_excluded(file: "Excluded") -> None:
    print_note(f"left out {file.path}: {file.reason}")


def _levels(figures: dict[str, Any]) -> list[str]:
    """A line for each level of a tree of genres."""
    return [
        f"level {name}, {counted(len(level['genres']), 'genre')}: accuracy {percent(level['accuracy'])}, "
        f"macro F1 {level['macro_f1']:.3f}"
        for name, level in figures.get("levels", {}).items()
    ]


def _comparison(figures: dict[str, Any]) -> list[str]:
    other, test = figures["against"], figures["mcnemar"]
    return [
        f"against {other['model']}: accuracy {percent(other['accuracy'])} of the same clips",
        f"McNemar's test: p = {test['p']:.3g}; {test['only_this']:,} of {test['clips']:,} clips correct only with "
        f"this model, {test['only_other']:,} only with the other",
    ]
