"""``attach``, ``stop``, ``pause``, ``resume`` and ``extend``: actions on a run."""

import argparse
import shlex

from core.runs.folder import RunFolder
from core.runs.journal.events import RequestAnswered
from tui.commands.common import add_run_arguments, add_runs_option, run_folder, runs_dir
from tui.shell.printing import DONE, FAILED, UsageError, print_data, print_lines, print_note


def add_attach_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="", help="a run's folder, name or beginning of the name (the newest)"
    )
    parser.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII only")
    parser.add_argument(
        "--theme", metavar="NAME", default=argparse.SUPPRESS, help="colours, instead of the settings' theme"
    )
    add_runs_option(parser)


def attach(args: argparse.Namespace) -> int:
    from tui.launch import run_app

    return run_app(runs_dir(args), attach=args.run, ascii=args.ascii, theme=args.theme)


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--queue", action="store_true", help="wait until no other run of yours uses the device")
    _add_detach_option(parser)


def _add_detach_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detach", action="store_true", help="return at once instead of following the run")


def add_extend_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    _add_detach_option(parser)
    parser.add_argument("--epochs", metavar="N", required=True, help="the new total, or +N for N more than now")


def add_queue_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="?", help="a queued run, to move it")
    parser.add_argument("place", metavar="PLACE", nargs="?", type=int, help="where to: 1 is next")
    add_runs_option(parser)


def queue(args: argparse.Namespace) -> int:
    """Lists the queued runs, or moves one.

    Raises:
        UserError: the run is not queued, or the place does not exist.
    """
    from core.runs.queue import move
    from core.runs.summary import RunList
    from tui.commands.runs.show import run_table

    folder = runs_dir(args)
    if args.run is not None:
        if args.place is None:
            raise UsageError("name the place that the run moves to, such as: genre-tui queue RUN 1")
        run = run_folder(args)
        print_note(f"{run.name}: place {move(run, args.place).number}")
        return DONE
    waiting = [run for run in RunList(folder, "live").refresh() if run.state == "queued"]
    if waiting:
        print_lines(run_table(sorted(waiting, key=lambda run: run.place), folder))
    else:
        print_note("no run is queued; genre-tui train FOLDER --queue queues one")
    return DONE


def run(args: argparse.Namespace) -> int:
    """Performs the action that the command is named after.

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
            outcome = actions.resume(folder, queue=args.queue)
        case _:
            try:
                epochs = actions.total_epochs(args.epochs, folder.state().epochs)
                outcome = actions.extend(folder, epochs)
            except actions.InvalidEpochs as error:
                raise UsageError(str(error)) from error
    if isinstance(outcome, actions.Launched):
        return _follow(folder, outcome.after, detach=args.detach)
    print_note(f"{folder.name}: {outcome.message}")
    return DONE if outcome.accepted else FAILED


def _follow(folder: RunFolder, after: int, *, detach: bool) -> int:
    """Follows a run whose trainer was started again, from the event after number ``after`` on."""
    from tui.commands.runs.follow import follow

    if detach:
        print_data(folder.name)
        print_note(f"training resumes; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    return follow(folder, after=after)
