"""Following a run in plain lines: epochs and results on standard output, the rest of its log on standard error."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from core.runs import actions
from core.runs.control import request
from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal.log_lines import duration, log_lines
from core.runs.journal.state import RunState
from core.runs.notices import RunNotices, report_lost
from core.util.errors import UserError
from tui.commands.common import user_settings
from tui.shell.notifications import TerminalStatus
from tui.shell.printing import (
    DONE,
    FAILED,
    INTERRUPTED,
    print_line,
    print_lines,
    print_note,
    write_controls,
    write_notes,
)
from tui.shell.settings import Settings

POLL_SECONDS = 0.1
SIGN_OF_LIFE_SECONDS = 10.0
"""How often progress within an epoch, or of the features, is printed."""


def follow(run: RunFolder, *, after: int = -1, bell: bool = False, settings: Settings | None = None) -> int:
    """Print the events of a run after number ``after`` until it ends; returns the exit status.

    An interrupt asks the trainer to stop and keep the model; a second one ends it at once. A terminal gets the run's
    notifications, progress and title as well.
    """
    settings = settings or user_settings()
    printed_at, handled = time.monotonic(), 0
    notices = RunNotices(settings.notify)
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    status = TerminalStatus(write_notes, bell=settings.bell and not bell, desktop=settings.desktop)

    def show(event: ev.Event) -> None:
        nonlocal printed_at
        for notice in notices.take(event):
            if event.seq > after and on_terminal:
                status.notify(run.name, notice)
        if event.seq > after and log_lines(event):
            _print_event(event)
            printed_at = time.monotonic()

    reader = RunReader(run, on_event=show)
    with _interrupts() as interrupts:
        while True:
            reader.poll()
            if on_terminal:
                status.show(reader.state)
            if not reader.state.alive:
                break
            if handled < len(interrupts):
                handled += 1
                _handle_interrupt(run, handled)
            if time.monotonic() - printed_at > SIGN_OF_LIFE_SECONDS:
                printed_at = time.monotonic()
                print_note(progress_line(reader.state, printed_at))
            time.sleep(POLL_SECONDS)
    if reader.state.status == "lost":
        report_lost(run, reader.state)
        for notice in notices.lost() if on_terminal else ():
            status.notify(run.name, notice)
    status.close()
    if bell:
        write_controls("\a")
    return _outcome(run, reader.state, interrupted=handled > 0)


def progress_line(state: RunState, now: float) -> str:
    """The progress of a run's current phase."""
    if state.status == "queued":
        return f"queued, place {state.place}"
    if state.paused:
        return f"paused in epoch {state.epoch}"
    if state.phase == "features" and (features := state.features) is not None:
        return f"features: {features.done:,} of {features.total:,} clips ({features.cached:,} from the store)"
    if state.batches:
        left = state.eta_seconds(now)
        rest = "" if left is None else f", {duration(left)} left"
        pace = f", {state.clips_per_second:,.0f} clips/s" if state.clips_per_second else ""
        return f"epoch {state.epoch}/{state.epochs}, {state.phase}: batch {state.batch} of {state.batches}{pace}{rest}"
    return f"{state.phase} ..."


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that grows by one with every SIGINT and SIGTERM."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _print_event(event: ev.Event) -> None:
    if isinstance(event, ev.RunFailed):
        return  # one line at the end says it; the traceback is in the log
    for line in log_lines(event):
        text = f"{time.strftime('%H:%M:%S', time.localtime(line.time))} {line.text}"
        if isinstance(event, ev.EpochFinished | ev.TestFinished):
            print_line(text)
        else:
            print_note(text)
    if isinstance(event, ev.TestFinished):
        print_lines("\n".join([*event.notes, event.report_text]))


def _handle_interrupt(run: RunFolder, number: int) -> None:
    if number == 1:
        request(run.path, "stop")
        print_note("stopping at the next batch; the model is kept (Ctrl-C again ends at once)")
        return
    print_note("ending at once; the last checkpoint is kept")
    try:
        actions.end_at_once(run)
    except UserError as error:
        print_note(f"genre-tui: {error}")


def _outcome(run: RunFolder, state: RunState, *, interrupted: bool) -> int:
    print_note(f"run {run.name}: {state.status}, in {run.path}")
    if state.status == "failed":
        print_note(f"genre-tui: training failed: {state.end_message} (details: {run.training_log_path})")
    elif state.status == "lost" and not interrupted:
        print_note(f"genre-tui: the trainer died (killed, out of memory or rebooted); see {run.trainer_log_path}")
    if interrupted:
        return INTERRUPTED
    return DONE if state.status in ("finished", "stopped") else FAILED
