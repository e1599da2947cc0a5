"""``pause RUN``: let a run rest at its next batch until it is resumed."""

import argparse

from tui.commands.common import add_run_arguments, run_folder

add_arguments = add_run_arguments


def run(args: argparse.Namespace) -> int:
    from tui.commands.asking import ask

    return ask(run_folder(args), "pause")
