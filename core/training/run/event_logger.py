"""Logging the trainer's events to the journal, the training log, and a callback."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import Event, RunStarted, Warned
from core.runs.journal.journal import Journal
from core.runs.journal.log_lines import log_text
from core.runs.journal.timing import read_timing
from core.training.errors import EndedAtOnce
from core.training.recipe import Recipe
from core.util.files import AppendFile, free_space

EventT = TypeVar("EventT", bound=Event)
OnEvent = Callable[[Event], None]


class NullLogger:
    """No-op logger for non-zero ranks."""

    seconds = 0.0

    def emit(self, event: EventT) -> EventT:
        return event


class EventLogger:
    """Writes events from any thread, in the same order to all outputs. A context manager.

    A full disk delays writing without losing events; see `AppendFile`.
    """

    def __init__(self, run: RunFolder, on_event: OnEvent | None = None) -> None:
        """
        Raises:
            UserError: the run folder cannot be written to.
        """
        self._run = run
        self._journal = Journal(run.journal_path)
        self._log = AppendFile(run.training_log_path)
        self._on_event = on_event
        self._lock = threading.Lock()
        self._failures = 0
        self._writing = False
        self._interrupted = False
        self._timing = read_timing(run.journal_path)
        self._written_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Working time of the run over all trainers, without pauses."""
        return self._timing.seconds(time.monotonic() - self._written_at)

    def emit(self, event: EventT) -> EventT:
        """Write ``event``; returns it with its sequence number and time."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._writing = self._writing or in_main_thread
        try:
            with self._lock:
                event = self._write(event)
                self._watch_disk()
        finally:
            self._writing = self._writing and not in_main_thread
        if in_main_thread and self._interrupted:
            self._interrupted = False
            raise EndedAtOnce
        return event

    def _write(self, event: EventT) -> EventT:
        event = self._journal.write(event)
        self._timing.add(event)
        self._written_at = time.monotonic()
        self._log.write(log_text(event).encode("utf-8", "replace"))
        if self._on_event is not None:
            self._on_event(event)
        return event

    def _watch_disk(self) -> None:
        """Warn when journal or log can no longer be written, and when they can again."""
        error, failures = self._journal.file.error or self._log.error, self._failures
        self._failures = self._journal.file.failed_writes + self._log.failed_writes if error else 0
        if error and not failures:
            message = f"The journal cannot be written ({error.strerror or error}; {free_space(self._run.path)})"
            self._write(Warned(message=f"{message}; events are kept in memory until there is room"))
            with contextlib.suppress(OSError):  # it may be on the same disk
                print(message, file=sys.stderr)
        elif failures and not error:
            self._write(Warned(message=f"The journal can be written again, after {failures} failed writes"))

    def interrupt(self) -> None:
        """Raise `EndedAtOnce` in the main thread, but not in the middle of an event. For signal handlers."""
        if self._writing:
            self._interrupted = True
        else:
            raise EndedAtOnce

    def __enter__(self) -> "EventLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()
        self._log.close()


Logger = EventLogger | NullLogger


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
