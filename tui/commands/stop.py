"""``stop RUN``: end a run at its next batch, with checkpoint, evaluation and report."""

import argparse

from tui.commands.common import add_run_arguments, run_folder

add_arguments = add_run_arguments


def run(args: argparse.Namespace) -> int:
    from tui.commands.asking import ask

    return ask(run_folder(args), "stop")
