"""``resume RUN``: wake a paused run, or go on with one that has ended or was lost, exactly where it stood."""

import argparse
import shlex

from core.errors import UserError
from core.runs.folder import RunFolder
from tui.commands.common import add_run_arguments, narrate, run_folder
from tui.exits import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--detach", action="store_true", help="return at once instead of following the run")


def run(args: argparse.Namespace) -> int:
    from tui.commands.asking import ask

    folder = run_folder(args)
    state = folder.state()
    if state.alive:
        return ask(folder, "resume")
    if state.status == "finished":
        raise UserError(
            f"{folder.name} is finished: all {state.epochs} epochs are done; genre-tui extend trains it further"
        )
    return go_on(folder, detach=args.detach)


def go_on(folder: RunFolder, *, detach: bool) -> int:
    """Launches the trainer of an existing run again and follows it unless ``detach``."""
    from core.runs.launch import resume
    from tui.commands.follow import follow

    seen = folder.state().seq
    resume(folder)
    if detach:
        print(folder.name)
        narrate(f"training goes on; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    return follow(folder, after=seen)
