"""``use [MODEL]``: which model classifies from now on, for a runs folder; without MODEL, the ones to choose from."""

import argparse

import msgspec

from core.inference.find_model import choose_model, find_model, list_models, model_in_use
from tui.commands.common import add_runs_option, runs_dir
from tui.shell.printing import DONE, print_json, print_line, print_note
from tui.text.model_table import model_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a run, a model file, or default for the bundled model"
    )
    parser.add_argument("--json", action="store_true", help="list the models as one JSON object per line")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
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
