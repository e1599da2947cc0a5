"""Worker processes with JSON lines: requests on standard input, messages on standard output.

The parent sends one request at a time, so a withdrawn request has not been started. Every request is answered once: by
its answer, by an empty reply (if it has no answer), or by `Refused`. Between answers a worker may send events. A worker
ends when its input ends. If it dies, the current request is refused, and the next request starts another worker.
"""

import io
import os
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

import core
from core.util.errors import UserError

Request = TypeVar("Request")
Message = TypeVar("Message")
PACKAGES = Path(core.__file__).parents[1]


class Refused(msgspec.Struct, frozen=True, tag_field="kind", tag="refused"):
    """A request could not be carried out."""

    error: str


class Reply(msgspec.Struct, Generic[Message], array_like=True):
    """A line from a worker."""

    message: Message | Refused | None
    is_answer: bool
    """Whether it completes the current request; otherwise it is an event."""


def path_to_json(path: Path) -> str:
    """The bytes of the absolute path as Latin-1: names need not be UTF-8, and a worker runs in another folder."""
    return os.fsencode(path.absolute()).decode("latin-1")


def path_from_json(text: str) -> Path:
    """The inverse of `path_to_json`."""
    return Path(os.fsdecode(text.encode("latin-1")))


def start_worker(module: str, arguments: Sequence[str] = (), **options: Any) -> subprocess.Popen[bytes]:
    """Start ``python -m module arguments`` with unbuffered pipes for standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        # The current folder may contain modules with the same names.
        cwd=PACKAGES,
        # Not in the terminal's process group, because the parent handles Ctrl-C and hang-ups.
        start_new_session=True,
        **options,
    )


def claim_stdout() -> int:
    """Reserve standard output for the worker's messages; output of native libraries goes to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


class JsonlProcess(Generic[Request, Message]):
    """The parent's end. Starts the worker on the first request, and again after a crash."""

    def __init__(
        self,
        module: str,
        messages: Any,
        on_message: Callable[[Message | Refused, Request | None], object],
        *,
        crashed: str,
        arguments: Sequence[str] = (),
    ) -> None:
        """
        Args:
            module: run as ``python -m module``.
            messages: the union of all messages of the worker, tagged by ``kind``.
            on_message: called in a thread of this object with a message and the request that it answers, or None for
                an event and for a crash between requests.
            crashed: the error if the worker dies; the exit status is added.
        """
        self._module, self._arguments = module, arguments
        generic: Any = Reply
        self._replies: msgspec.json.Decoder[Reply[Message]] = msgspec.json.Decoder(generic[messages])
        self._on_message, self._crashed = on_message, crashed
        self._lock = threading.RLock()
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the worker before the first request, so that it can import its libraries."""
        with self._lock:
            if self._process is None and not self._closed:
                self._process = start_worker(self._module, self._arguments)
                threading.Thread(target=self._read, args=[self._process], daemon=True).start()

    def ask(self, request: Request, *, first: bool = False) -> None:
        """Queue a request, at the front if ``first``. Never blocks."""
        with self._lock:
            self._waiting.appendleft(request) if first else self._waiting.append(request)
            self._hand_over()

    def withdraw(self, keep: Callable[[Request], bool]) -> None:
        """Withdraw all waiting requests except those to ``keep``."""
        with self._lock:
            self._waiting = deque(request for request in self._waiting if keep(request))

    @property
    def waiting(self) -> Sequence[Request]:
        """The requests that have not been sent."""
        with self._lock:
            return tuple(self._waiting)

    def close(self, grace_seconds: float = 0.0) -> None:
        """End the worker, at the latest after ``grace_seconds``. There are no messages afterwards."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is None:
            return
        if grace_seconds:
            assert process.stdin is not None
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
        process.kill()
        process.wait()

    def _hand_over(self) -> None:
        if self._closed or self._current is not None or not self._waiting:
            return
        self._current = self._waiting.popleft()
        self.start()
        assert self._process is not None and self._process.stdin is not None
        with suppress(OSError):  # it died, which the reading thread reports
            self._process.stdin.write(msgspec.json.encode(self._current) + b"\n")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and isinstance(process.stdout, io.RawIOBase)
        try:
            for line in io.BufferedReader(process.stdout, 1 << 20):
                reply = self._replies.decode(line)
                self._report(reply.message, reply.is_answer)
        except msgspec.DecodeError:
            traceback.print_exc()
            process.kill()
        status = process.wait()
        process.stdin.close()
        with self._lock:
            self._process = None
        self._report(Refused(f"{self._crashed} (exit status {status})"), True)

    def _report(self, message: Message | Refused | None, is_answer: bool) -> None:
        request = None
        with self._lock:
            if self._closed:
                return
            if is_answer:
                request, self._current = self._current, None
        if message is not None:
            self._on_message(message, request)
        with self._lock:
            self._hand_over()


class WorkerChannel:
    """The worker's end: reserves standard output for messages, which any thread may send."""

    def __init__(self) -> None:
        self._out, self._lock = claim_stdout(), threading.Lock()

    def send(self, message: object, *, is_answer: bool = False) -> None:
        """Send a message. Ends the process if the parent no longer reads."""
        line = memoryview(msgspec.json.encode((message, is_answer)) + b"\n")
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._out, line) :]
            except BrokenPipeError:
                os._exit(0)

    def serve(self, requests: Any, answer: Callable[[Any], object]) -> None:
        """Answer requests of the types ``requests`` until standard input ends."""
        decoder = msgspec.json.Decoder(requests)
        for line in sys.stdin.buffer:
            try:
                message = answer(decoder.decode(line))
            except UserError as error:
                message = Refused(str(error))
            except Exception as error:
                # An internal error affects only this request; its traceback goes to the viewer's log.
                traceback.print_exc()
                message = Refused(f"{type(error).__name__}: {error}")
            self.send(message, is_answer=True)
