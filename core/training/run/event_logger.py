"""Where the trainer tells what happens: the journal, the training log, and whoever listens in this process."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import Event, RunStarted
from core.runs.journal.journal import Journal
from core.runs.journal.log_lines import log_lines
from core.training.errors import EndedAtOnce
from core.training.recipe import Recipe

EventT = TypeVar("EventT", bound=Event)
OnEvent = Callable[[Event], None]


class EventLogger:
    """Writes events, from any thread, in one order everywhere. A context manager."""

    def __init__(self, run: RunFolder, on_event: OnEvent | None = None) -> None:
        self._journal = Journal(run.journal_path)
        self._log = run.training_log_path.open("a", encoding="utf-8")
        self._on_event = on_event
        self._lock = threading.Lock()
        self._writing = False
        self._interrupted = False
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since this life of the run began."""
        return time.monotonic() - self._began

    def emit(self, event: EventT) -> EventT:
        """Writes ``event`` and returns it with its number and time."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._writing = self._writing or in_main_thread
        try:
            with self._lock:
                event = self._journal.write(event)
                if lines := log_lines(event):
                    self._log.write(lines)
                    self._log.flush()
                if self._on_event is not None:
                    self._on_event(event)
        finally:
            self._writing = self._writing and not in_main_thread
        if in_main_thread and self._interrupted:
            self._interrupted = False
            raise EndedAtOnce
        return event

    def interrupt(self) -> None:
        """Ends the main thread's work with `EndedAtOnce`, but never in the middle of an event. For signal handlers."""
        if self._writing:
            self._interrupted = True
        else:
            raise EndedAtOnce

    def __enter__(self) -> "EventLogger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()
        self._log.close()


def run_started(recipe: Recipe, device: str, device_name: str, resumed_from: int | None = None) -> RunStarted:
    return RunStarted(
        recipe=msgspec.to_builtins(recipe),
        device=device,
        device_name=device_name,
        dataset=dataset_name(Path(recipe.data)),
        model=recipe.model,
        epochs=recipe.epochs,
        pid=os.getpid(),
        host=socket.gethostname(),
        resumed_from=resumed_from,
    )
