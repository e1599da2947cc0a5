"""What people ask of a trainer at work: the control file and the signals, answered between two batches."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from core.runs.control import MOST_EPOCHS, ControlReader, Request
from core.runs.folder import RunFolder
from core.runs.journal.events import RequestAnswered
from core.training.errors import StopRequested
from core.training.run.event_logger import EventLogger

LOOK_SECONDS = 0.1
"""How often the control file is looked at."""

LAST_THINGS = "training is over; test and report are at work"


class ControlHandler:
    """A context manager that also takes SIGINT and SIGTERM as requests to stop, in the main thread.

    Attributes:
        epochs: how many epochs the run is to have, set by its owner; a request to extend raises it.
        paused: whether the trainer is waiting to be told to go on.
        paused_seconds: how long it has waited altogether.
        concluding: training is over, and what can still be asked for is nothing.
    """

    def __init__(self, run: RunFolder, logger: EventLogger) -> None:
        self.epochs = 0
        self.paused = False
        self.paused_seconds = 0.0
        self.concluding = False
        self._run = run
        self._control = ControlReader(run.path)
        self._chronicle = logger
        self._looked = 0.0
        self._signals: list[int] = []
        self._stopping = False
        self._replaced: dict[int, Any] = {}

    def check(self, before_waiting: Callable[[], None] | None = None) -> None:
        """Answers what was asked since the last call; waits here while the run is paused.

        Args:
            before_waiting: called once when a pause begins.

        Raises:
            StopRequested: the run is to stop.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        if self.paused:
            if before_waiting is not None:
                before_waiting()
            self._wait()

    def look_next_time(self) -> None:
        """The next check looks, however short ago the last one was: for moments after which people expect an answer."""
        self._looked = 0.0

    def _wait(self) -> None:
        began = time.monotonic()
        try:
            while self.paused:
                time.sleep(LOOK_SECONDS)
                self._look()
        finally:
            self.paused_seconds += time.monotonic() - began

    def _look(self) -> None:
        if self._signals and not self._stopping:
            self._stop(signal.Signals(self._signals[0]).name)
        if (asked := self._control.poll()) is not None:
            self._answer(asked)

    def _answer(self, asked: Request) -> None:
        if self.concluding:
            self._reply(asked, asked.request == "stop", LAST_THINGS)
            return
        match asked.request:
            case "pause":
                accepted, message = not self.paused, "paused" if not self.paused else "the run is paused already"
                self.paused = True
                self._reply(asked, accepted, message)
            case "resume":
                accepted, message = self.paused, "goes on" if self.paused else "the run is not paused"
                self.paused = False
                self._reply(asked, accepted, message)
            case "extend":
                self._extend(asked)
            case "stop":
                self._stop(asked.id)

    def _extend(self, asked: Request) -> None:
        if asked.epochs is None or asked.epochs <= self.epochs:
            self._reply(asked, False, f"the run has {self.epochs} epochs already; ask for more")
            return
        if asked.epochs > MOST_EPOCHS:
            self._reply(asked, False, f"a run has at most {MOST_EPOCHS:,} epochs")
            return
        self.epochs = asked.epochs
        # A later life of the run takes its number of epochs from there.
        self._run.write_recipe(self._run.read_recipe() | {"epochs": asked.epochs})
        self._reply(asked, True, f"the run goes on to epoch {asked.epochs}")

    def _stop(self, identity: str) -> None:
        self.paused, self._stopping = False, True
        message = LAST_THINGS if self.concluding else "stopping: the model is kept; test and report follow"
        self._chronicle.emit(RequestAnswered(request="stop", id=identity, accepted=True, message=message))
        if not self.concluding:
            raise StopRequested

    def _reply(self, asked: Request, accepted: bool, message: str) -> None:
        epochs = self.epochs if asked.request == "extend" else None
        self._chronicle.emit(
            RequestAnswered(request=asked.request, id=asked.id, accepted=accepted, message=message, epochs=epochs)
        )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signals:
            self._chronicle.interrupt()
        self._signals.append(number)

    def __enter__(self) -> "ControlHandler":
        if threading.current_thread() is threading.main_thread():
            self._replaced = {
                number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
