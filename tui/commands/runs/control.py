"""``stop``, ``pause``, ``resume`` and ``extend``: what is asked of a run, and of its trainer while it has one."""

import argparse
import shlex

from core.runs.folder import RunFolder
from core.runs.journal.events import RequestAnswered
from tui.commands.common import add_run_arguments, narrate, run_folder
from tui.commands.exit_codes import DONE, FAILED, UsageError


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--detach", action="store_true", help="return at once instead of following the run")


def add_extend_arguments(parser: argparse.ArgumentParser) -> None:
    add_resume_arguments(parser)
    parser.add_argument(
        "--epochs", metavar="N", required=True, help="the new total; +N for that many more than asked for"
    )


def run(args: argparse.Namespace) -> int:
    """Does to the run what the command's name says.

    Raises:
        UserError: the run cannot do it now, or its trainer did not answer in time.
    """
    from core.runs import actions

    folder = run_folder(args)
    outcome: RequestAnswered | actions.Launched
    match args.command:
        case "stop" | "pause":
            outcome = actions.ask(folder, args.command)
        case "resume":
            outcome = actions.resume(folder)
        case _:
            try:
                epochs = actions.total_epochs(args.epochs, folder.state().epochs)
                outcome = actions.extend(folder, epochs)
            except actions.InvalidEpochs as error:
                raise UsageError(str(error)) from error
    if isinstance(outcome, actions.Launched):
        return _follow(folder, outcome.after, detach=args.detach)
    narrate(f"{folder.name}: {outcome.message}")
    return DONE if outcome.accepted else FAILED


def _follow(folder: RunFolder, after: int, *, detach: bool) -> int:
    """Follows a run whose trainer was started again, from the events after number ``after``."""
    from tui.commands.runs.follow import follow

    if detach:
        print(folder.name)
        narrate(f"training resumes; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    return follow(folder, after=after)
