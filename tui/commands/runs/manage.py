"""Commands that act on runs.

``attach``, ``stop``, ``pause``, ``resume``, ``extend`` and ``queue`` control training; ``rm``, ``restore``,
``rename``, ``note``, ``tag``, ``pin`` and ``compare`` manage what it leaves.
"""

import argparse
import shlex

from core.runs import actions, notes
from core.runs.directory import find
from core.runs.folder import RunFolder
from core.runs.journal.events import RequestAnswered
from core.runs.journal.log_lines import duration, number, percent
from core.runs.journal.state import RunState
from core.runs.summary import RunList, baselines
from core.training.evaluation.significance import difference, other_datasets, significance, test_clips
from core.util.text import printable_lines
from tui.commands.common import add_run_arguments, add_runs_option, run_folder, runs_dir
from tui.commands.runs.show import run_table, table
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
    """List the queued runs, or move one.

    Raises:
        UserError: the run is not queued, or the place does not exist.
    """
    from core.runs.queue import move

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
    """Perform the action that the command is named after.

    Raises:
        UserError: the run cannot do it now, or its trainer did not answer in time.
    """
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
    """Follow a run whose trainer was started again, from the event after number ``after``."""
    from tui.commands.runs.follow import follow

    if detach:
        print_data(folder.name)
        print_note(f"training resumes; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    return follow(folder, after=after)


def add_remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="RUN", nargs="+", help="runs to move to the trash; restore brings them back")
    add_runs_option(parser)


def remove(args: argparse.Namespace) -> int:
    """Move runs to the trash; all are found before the first is moved.

    Raises:
        UserError: the run does not exist, or it is running.
    """
    for run in [find(runs_dir(args), name, prefixes_elsewhere=False) for name in args.names]:
        print_note(f"{run.name}: moved to {run.trash()}")
    return DONE


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a run in the trash (default: list them)")
    add_runs_option(parser)


def restore(args: argparse.Namespace) -> int:
    """
    Raises:
        UserError: the run does not exist in the trash, or another has its name.
    """
    folder = runs_dir(args)
    if args.name is not None:
        print_note(f"restored {actions.restore(folder, args.name).path}")
        return DONE
    if names := actions.trashed(folder):
        print_lines("\n".join(names))
    else:
        print_note(f"the trash of {folder} is empty")
    return DONE


def add_rename_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("name", metavar="NAME", help="the new name")


def rename(args: argparse.Namespace) -> int:
    run = find(runs_dir(args), args.run, prefixes_elsewhere=False)
    print_note(f"renamed {run.name} to {actions.rename(run, args.name).name}")
    return DONE


def add_note_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("text", metavar="TEXT", nargs="?", help='the new note; "" removes it (default: print it)')


def note(args: argparse.Namespace) -> int:
    run = run_folder(args)
    if args.text is None:
        print_data(printable_lines(notes.read_notes(run).note))
    else:
        notes.set_note(run, args.text)
    return DONE


def add_tag_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add (default: print the tags)")
    parser.add_argument("--remove", metavar="TAG", action="append", default=[], help="a tag to remove; repeatable")


def tag(args: argparse.Namespace) -> int:
    run = run_folder(args)
    changed = args.tags or args.remove
    tags = notes.change_tags(run, args.tags, args.remove) if changed else notes.read_notes(run).tags
    if tags:
        print_lines("\n".join(tags))
    else:
        print_note(f"{run.name} has no tags")
    return DONE


def add_pin_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--remove", action="store_true", help="the run is no longer the baseline")


def pin(args: argparse.Namespace) -> int:
    run = run_folder(args)
    if args.remove:
        notes.unpin(run)
        print_note(f"{run.name} is not the baseline")
    else:
        notes.pin(run)
        print_note(f"{run.name} is the baseline of {run.path.parent}: genre-tui runs shows the difference from it")
        listed = RunList(run.path.parent).refresh()
        for sentence in other_datasets(listed, baselines(listed)):
            print_note(sentence)
    return DONE


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", metavar="RUN", nargs="+", help="two runs or more; the others are compared to the first"
    )
    add_runs_option(parser)


def compare(args: argparse.Namespace) -> int:
    """The results side by side and, where two runs were tested on the same clips, McNemar's p of their difference.

    Raises:
        UserError: the run does not exist.
    """
    if len(args.names) < 2:
        raise UsageError("compare takes two runs or more")
    runs = [find(runs_dir(args), name) for name in args.names]
    states = [run.state() for run in runs]
    headings = ("name", "state", "epochs", "best val", "val loss", "test", "macro F1", "time", "difference", "p")
    rows = [_row(state, states[0], run, runs[0]) for run, state in zip(runs, states, strict=True)]
    print_lines(table([headings, *rows]))
    if others := [state.name for state in states if state.dataset != states[0].dataset]:
        print_note(f"not compared, because they were not trained on {states[0].dataset}: {', '.join(others)}")
    elif others := [run.name for run in runs[1:] if test_clips(run) != test_clips(runs[0])]:
        print_note(
            f"without a p-value, because they were not tested on the same clips as {runs[0].name}: {', '.join(others)}"
        )
    return DONE


def _row(state: RunState, first: RunState, run: RunFolder, base: RunFolder) -> tuple[str, ...]:
    best, test = state.best, state.test
    base_test = first.test if run != base and state.dataset == first.dataset else None
    p = None if run == base else significance(run, base)
    return (
        state.name,
        state.status,
        f"{state.epochs_done}/{state.epochs}",
        percent(None if best is None else best.val_accuracy),
        number(None if best is None else best.val_loss),
        percent(None if test is None else test.accuracy),
        "–" if test is None else f"{test.macro_f1:.3f}",
        duration(state.seconds(0.0)),
        "–" if test is None or base_test is None else difference(test.accuracy, base_test.accuracy),
        "–" if p is None else f"{p:.3f}",
    )
