"""Requests to a running trainer by control file or signal, answered between batches; following a moved run folder."""

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from core.runs.control import ControlReader, Request
from core.runs.directory import register
from core.runs.folder import MOST_EPOCHS, RunFolder
from core.runs.journal.events import RequestAnswered, Warned
from core.training.errors import RunFolderGone, StopRequested
from core.training.run.event_logger import EventLogger, Logger
from core.util.text import counted

LOOK_SECONDS = 0.1
"""How often the control file is checked."""

FINISHING = "training is complete; the final report is being written"
F_GETPATH = 50
"""macOS: fcntl command for the path of a descriptor."""


class ControlHandler:
    """Answers requests. As a context manager in the main thread, it treats SIGINT and SIGTERM as requests to stop.

    Attributes:
        epochs: total epochs of the run, set by its owner and increased by a request to extend.
        paused: whether the trainer is waiting for a request to resume.
        paused_seconds: total time spent paused.
        finishing: whether training is complete, so that requests can no longer change the run.
        queued: whether the trainer waits for its device.
    """

    def __init__(self, run: RunFolder, logger: Logger) -> None:
        """With a `NullLogger`, on non-zero ranks, requests are ignored, because rank 0 passes them on."""
        self.epochs = 0
        self.paused = False
        self.paused_seconds = 0.0
        self.finishing = False
        self.queued = False
        self._run = run
        self._logger = logger
        self._control = ControlReader(run.path)
        self._folder = _FolderWatch(run) if isinstance(logger, EventLogger) else None
        self._locating = threading.Lock()
        self._looked = 0.0
        self._signals: list[int] = []
        self._stopping = False
        self._replaced: dict[int, Any] = {}

    def check(self, before_waiting: Callable[[], object] | None = None) -> None:
        """Answer new requests; blocks while the run is paused.

        Args:
            before_waiting: called once when a pause begins.

        Raises:
            StopRequested: a stop was requested.
            RunFolderGone: the run folder was deleted.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        if self.paused:
            if before_waiting is not None:
                before_waiting()
            self._wait()

    def locate(self) -> None:
        """Update the path of the run folder if it was moved. Threads that write files also call this.

        Raises:
            RunFolderGone: it was deleted.
        """
        with self._locating:
            moved = self._folder is not None and self._folder.moved()
        if moved:
            self._control.folder = self._run.path
            register(self._run)
            self._logger.emit(Warned(message=f"The run folder was moved to {self._run.path}; the run continues there"))

    def look_next_time(self) -> None:
        """Make the next `check` read the control file regardless of the time since the last one."""
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
        if self._folder is None:
            return
        self.locate()
        if self._signals and not self._stopping:
            self._stop(signal.Signals(self._signals[0]).name)
        if (asked := self._control.poll()) is not None:
            self._answer(asked)

    def _answer(self, asked: Request) -> None:
        if self.finishing:
            self._reply(asked, asked.request == "stop", FINISHING)
            return
        match asked.request:
            case "pause" | "resume" if self.queued:
                self._reply(asked, False, "the run is queued: it starts when its device is free; stop cancels it")
            case "pause":
                accepted, message = not self.paused, "paused" if not self.paused else "the run is paused already"
                self.paused = True
                self._reply(asked, accepted, message)
            case "resume":
                accepted, message = self.paused, "resumed" if self.paused else "the run is not paused"
                self.paused = False
                self._reply(asked, accepted, message)
            case "extend":
                self._extend(asked)
            case "stop":
                self._stop(asked.id)

    def _extend(self, asked: Request) -> None:
        if asked.epochs is None or asked.epochs <= self.epochs:
            self._reply(asked, False, f"the run has {counted(self.epochs, 'epoch')} already; ask for more")
            return
        if asked.epochs > MOST_EPOCHS:
            self._reply(asked, False, f"a run has at most {MOST_EPOCHS:,} epochs")
            return
        try:
            # A resumed run reads its number of epochs from the recipe.
            self._run.write_recipe(self._run.read_recipe() | {"epochs": asked.epochs})
        except OSError as error:
            self._reply(asked, False, f"recipe.json cannot be written ({error.strerror or error}); ask again")
            return
        self.epochs = asked.epochs
        self._reply(asked, True, f"the run continues to epoch {asked.epochs}")

    def _stop(self, identity: str) -> None:
        self.paused, self._stopping = False, True
        message = "stopping: the model is kept; test and report follow"
        if self.finishing or self.queued:
            message = FINISHING if self.finishing else "the run leaves the queue"
        self._logger.emit(RequestAnswered(request="stop", id=identity, accepted=True, message=message))
        if not self.finishing:
            raise StopRequested

    def _reply(self, asked: Request, accepted: bool, message: str) -> None:
        epochs = self.epochs if asked.request == "extend" else None
        self._logger.emit(
            RequestAnswered(request=asked.request, id=asked.id, accepted=accepted, message=message, epochs=epochs)
        )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signals and isinstance(self._logger, EventLogger):
            self._logger.interrupt()
        self._signals.append(number)

    def __enter__(self) -> "ControlHandler":
        if threading.current_thread() is threading.main_thread():
            self._replaced = {
                number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        if self._folder is not None:
            self._folder.close()


class _FolderWatch:
    """Follows the run folder by an open descriptor if it is moved."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._descriptor = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def moved(self) -> bool:
        """Whether the folder was moved since the last call; ``run.path`` is updated then.

        Raises:
            RunFolderGone: it was deleted, or its new path is unknown.
        """
        if self._is_at(self._run.path):
            return False
        path = self._path()
        if path is None or not self._is_at(path):
            raise RunFolderGone(f"The run folder {self._run.path} was deleted while the run was being trained.")
        self._run.path = path
        return True

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _path(self) -> Path | None:
        try:
            if sys.platform == "darwin":
                return Path(os.fsdecode(fcntl.fcntl(self._descriptor, F_GETPATH, b"\0" * 1024).rstrip(b"\0")))
            return Path(f"/proc/self/fd/{self._descriptor}").readlink()
        except OSError:
            return None

    def close(self) -> None:
        os.close(self._descriptor)
