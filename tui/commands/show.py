"""``show RUN``: a run in plain text, for pipes and for terminals too small or too poor for the app."""

import argparse
import shutil
import sys
import time

import msgspec

from core.runs.export import history_csv
from core.runs.state import RunState
from core.runs.tail import RunTail
from tui.commands.common import add_run_arguments, run_folder
from tui.exits import DONE

REDRAW_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--once", action="store_true", help="one frame, also where a running run would be followed")
    form.add_argument("--json", action="store_true", help="everything that is known about the run, as one object")
    form.add_argument("--csv", action="store_true", help="the history, one row an epoch")


def run(args: argparse.Namespace) -> int:
    from tui.commands.frame import frame

    tail = RunTail(run_folder(args))
    tail.poll()
    if args.json:
        print(msgspec.json.encode(tail.state.as_dict(time.time())).decode())
    elif args.csv:
        print(history_csv(tail.state), end="")
    elif args.once or not sys.stdout.isatty():
        print(frame(tail.state, time.time()))
    else:
        _live(tail)
    return DONE


def _live(tail: RunTail) -> None:
    """Draws a frame in the place of the former one until the run ends."""
    from tui.commands.frame import frame

    while True:
        size = shutil.get_terminal_size()
        lines = frame(tail.state, time.time()).splitlines()
        shown = [line[: size.columns - 1] for line in lines[: size.lines - 1]] if _living(tail.state) else lines
        # Home, each line cleared to its end, then everything below: no flicker, unlike clearing first.
        print("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J", end="", flush=True)
        if not _living(tail.state):
            return
        time.sleep(REDRAW_SECONDS)
        tail.poll()


def _living(state: RunState) -> bool:
    return state.status in ("running", "paused")
