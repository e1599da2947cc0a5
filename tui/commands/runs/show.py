"""``show RUN``: a run in plain text, for pipes and for terminals too small or too poor for the app."""

import argparse
import math
import shutil
import sys
import time

import msgspec

from core.runs.journal.history import history_csv
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.state import EpochRow, RunState
from core.runs.tail import RunTail
from tui.commands.common import add_run_arguments, run_folder
from tui.commands.exit_codes import DONE
from tui.commands.runs.list import table

REDRAW_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--once", action="store_true", help="one frame, also where a running run would be followed")
    form.add_argument("--json", action="store_true", help="everything that is known about the run, as one object")
    form.add_argument("--csv", action="store_true", help="the history, one row an epoch")


def run(args: argparse.Namespace) -> int:

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


ROWS = 12
"""Epochs shown: the last ones, and the best."""

SILENCE = 30.0
"""Seconds without a sign of life after which that is said."""

LOG_LINES = 6
BAR = 40


def frame(state: RunState, now: float) -> str:
    """Header, progress, epochs, the end of the log, and the test report when there is one."""
    parts = [_header(state, now), _progress(state), _epochs(state), _log(state)]
    if state.test is not None:
        parts.append(f"test: accuracy {percent(state.test.accuracy)}, loss {state.test.loss:.4f}")
        parts.append(state.test.report_text.rstrip())
    if state.failure is not None:
        parts.append(state.failure.traceback.rstrip() or state.failure.error)
    return "\n\n".join(part for part in parts if part)


def _header(state: RunState, now: float) -> str:
    left = state.eta_seconds(now)
    silence = state.silent_for(now)
    busy_otherwise = state.status == "running" and state.phase not in ("training", "validating")
    where = [state.name, state.model, state.dataset, state.device_name or state.device]
    how = [
        f"{state.status}, {state.phase}" if busy_otherwise else state.status,
        f"epoch {state.epoch}/{state.epochs}",
        f"{duration(state.seconds(now))} worked",
        "" if left is None else f"{duration(left)} left",
        f"silent for {duration(silence)}" if silence > SILENCE and not state.paused else "",
    ]
    return "\n".join(" · ".join(fact for fact in facts if fact) for facts in (where, how))


def _progress(state: RunState) -> str:
    if state.end is not None:
        return ""
    if state.phase == "features" and state.features is not None and state.features.total:
        done, total, what = state.features.done, state.features.total, "features"
    elif state.batches:
        done, total, what = state.batch, state.batches, f"{state.phase}, batch"
    else:
        return ""
    filled = round(BAR * done / total)
    pace = f", {state.clips_per_second:,.0f} clips/s" if state.clips_per_second else ""
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {what} {done:,} of {total:,}{pace}"


def _epochs(state: RunState) -> str:
    if not state.history:
        return ""
    best = state.best.epoch if state.best else None
    rows = state.history[-ROWS:]
    if state.best is not None and rows[0].epoch > state.best.epoch:
        rows = [state.best, *rows[1:]]
    heading = ("", "epoch", "train loss", "train acc", "val loss", "val acc", "lr", "seconds")
    return table([heading, *(_row(row, row.epoch == best) for row in rows)])


def _row(row: EpochRow, best: bool) -> tuple[str, ...]:
    return (
        "*" if best else "",
        str(row.epoch),
        _number(row.train_loss),
        _percent(row.train_accuracy),
        _number(row.val_loss),
        _percent(row.val_accuracy),
        f"{row.learning_rate:.1e}",
        f"{row.seconds:.1f}",
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _percent(value: float) -> str:
    return percent(None if math.isnan(value) else value)


def _log(state: RunState) -> str:
    return "\n".join(line.text for line in state.log[-LOG_LINES:] if state.failure is None or line.level != "error")
