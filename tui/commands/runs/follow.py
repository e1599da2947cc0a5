"""Following a run in plain lines: epochs and results on standard output, the rest of its story on standard error."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from core.runs import lock
from core.runs.control import request
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.journal.journal import JournalReader
from core.runs.journal.log_lines import duration, narrate
from core.runs.journal.reducer import fold
from core.runs.journal.state import RunState
from tui.commands.exit_codes import DONE, FAILED, INTERRUPTED
from tui.shell.printing import print_line, print_lines, print_note, write_controls

POLL_SECONDS = 0.1
SIGN_OF_LIFE_SECONDS = 10.0
"""How often progress within an epoch, or within the features, is told."""

LAST_WORDS_SECONDS = 5.0
"""How long a trainer that was told to end at once may take before it is killed."""


def follow(run: RunFolder, *, after: int = -1, bell: bool = False) -> int:
    """Prints what the run does, from the event after number ``after`` on, until it ends; returns the exit status.

    An interrupt asks the trainer to stop and keep the model; a second one ends it at once.
    """
    reader, state = JournalReader(run.journal_path), RunState.empty()
    obeyed, told = 0, time.monotonic()
    with _interrupts() as interrupts:
        while True:
            alive = run.is_alive()  # asked before the journal is read, so that its last words are not missed
            events = reader.read()
            state = fold(state, events)
            for event in events:
                if event.seq > after:
                    _tell(event)
                    told = time.monotonic() if narrate(event) else told
            if not alive:
                break
            if obeyed < len(interrupts):
                obeyed += 1
                _obey(run, obeyed)
            if time.monotonic() - told > SIGN_OF_LIFE_SECONDS:
                told = time.monotonic()
                print_note(progress_line(run.placed(state, alive), time.time()))
            time.sleep(POLL_SECONDS)
    if bell:
        write_controls("\a")
    return _outcome(run, run.placed(state, alive), interrupted=obeyed > 0)


def progress_line(state: RunState, now: float) -> str:
    """Where a run is within its present work."""
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


def _tell(event: ev.Event) -> None:
    if isinstance(event, ev.RunFailed):
        return  # told at the end in one line; the traceback stands in the log
    for line in narrate(event):
        text = f"{time.strftime('%H:%M:%S', time.localtime(line.time))} {line.text}"
        if isinstance(event, ev.EpochFinished | ev.TestFinished):
            print_line(text)
        else:
            print_note(text)
    if isinstance(event, ev.TestFinished):
        print_lines(event.report_text)


def _obey(run: RunFolder, interrupt: int) -> None:
    if interrupt == 1:
        request(run.path, "stop")
        print_note("stopping at the next batch; the model is kept (Ctrl-C again ends at once)")
        return
    print_note("ending at once; the last checkpoint is kept")
    # A trainer ends at once on its second signal; one that is deaf, inside a long native call, is killed.
    for number, patience in ((signal.SIGTERM, 0.2), (signal.SIGTERM, LAST_WORDS_SECONDS), (signal.SIGKILL, 1.0)):
        if not run.is_alive() or (owner := lock.holder(run.lock_path)) is None:
            return
        with suppress(ProcessLookupError):
            os.kill(owner[0], number)
        deadline = time.monotonic() + patience
        while run.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)


def _outcome(run: RunFolder, state: RunState, *, interrupted: bool) -> int:
    print_note(f"run {run.name}: {state.status}, in {run.path}")
    if state.status == "failed":
        print_note(f"genre-tui: training failed: {state.end_message} (the whole story: {run.training_log_path})")
    elif state.status == "lost" and not interrupted:
        print_note(f"genre-tui: the trainer ended without a word; see {run.trainer_log_path}")
    if interrupted:
        return INTERRUPTED
    return DONE if state.status in ("finished", "stopped") else FAILED
