"""``extend RUN --epochs N``: train for more epochs, whether the run is running, stopped or finished."""

import argparse

from tui.commands.common import add_run_arguments, run_folder
from tui.exits import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--epochs", metavar="N", required=True, help="the new total; +N for that many more than asked for"
    )
    parser.add_argument("--detach", action="store_true", help="return at once instead of following the run")


def run(args: argparse.Namespace) -> int:
    from tui.commands.asking import ask
    from tui.commands.resume import go_on
    from tui.listing.actions import objection_to

    folder = run_folder(args)
    state = folder.state()
    total = _total(args.epochs, state.epochs)
    if objection := objection_to(total, folder.name, state):
        raise UsageError(objection)
    if state.alive:
        return ask(folder, "extend", epochs=total)
    recipe = folder.read_recipe()
    folder.write_recipe(recipe | {"epochs": total})
    return go_on(folder, detach=args.detach)


def _total(text: str, asked: int) -> int:
    if not text.removeprefix("+").isdecimal():
        raise UsageError(f"--epochs takes a number of epochs, such as 40 or +20, not {text!r}")
    return asked + int(text) if text.startswith("+") else int(text)
