"""The classifier process, seen from the app: requests go in, answers come back; a crash costs one request."""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from core.inference.workers.file_worker import Answer, Loaded, Play, Refused, Request, refused

CRASHED = "the decoder or the network crashed on it; see the viewer's log"


class ClassifierProcess:
    """Starts `core.inference.workers.file_worker` with the first request and again after a crash.

    ``on_answer`` is called from a thread of this object's own, once for every request and in their order. Requests are
    handed over one at a time, so that one that is withdrawn was never begun.
    """

    def __init__(self, on_answer: Callable[[Answer], object]) -> None:
        self._on_answer = on_answer
        self._waiting: deque[Request] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._prologue: Request | None = None
        """The last load request: what a new process is told first."""

    def ask(self, request: Request, *, first: bool = False) -> None:
        """Put a request into the queue, or before all that wait."""
        with self._wake:
            self._waiting.appendleft(request) if first else self._waiting.append(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._wake.notify()

    def withdraw(self, keep: Callable[[Request], bool]) -> None:
        """Take back all waiting requests but those to ``keep``."""
        with self._wake:
            self._waiting = deque(request for request in self._waiting if keep(request))

    def close(self) -> None:
        """End the process, whatever it is doing."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                request = self._waiting.popleft()
            answer = self._exchange(request)
            with self._wake:
                if self._closed:
                    return
            self._on_answer(answer)

    def _exchange(self, request: Request) -> Answer:
        if self._process is None:
            self._start()
            if self._prologue is not None and self._prologue is not request and not isinstance(request, Play):
                answer = self._send(self._prologue)
                if answer is None or isinstance(answer, Refused):
                    return answer or refused(self._prologue, CRASHED)
        answer = self._send(request)
        if answer is None:
            return refused(request, CRASHED)
        if isinstance(answer, Loaded):
            self._prologue = request
        return answer

    def _start(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.inference.workers.file_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Not in the terminal's group: Ctrl-C and hang-ups are the app's business; it ends with its input.
            start_new_session=True,
        )
        with self._wake:
            self._process = process
            if self._closed:
                process.kill()

    def _send(self, request: Request) -> Answer | None:
        """The answer, or None if the process died over it; the next request gets a new one."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            line = _line(process.stdout.read)
        except OSError:
            line = b""
        if line:
            return _answers.decode(line)
        process.kill()
        process.wait()
        self._process = None
        return None


_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def _line(read: Callable[[int], bytes | None]) -> bytes:
    """A whole line from an unbuffered pipe; empty at its end."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = read(1 << 16)
        if not piece:
            return b""
        line += piece
    return bytes(line)
