"""The listening process, seen from the app: requests go in, what is heard comes out."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable

import msgspec

from core.inference.workers.live_worker import Answer, Refused, Request

CRASHED = "the listening process has ended unexpectedly; see the viewer's log"
GRACE_SECONDS = 1.0
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class ListenProcess:
    """Starts `core.inference.workers.live_worker` with the first request, and again after a crash.

    ``on_answer`` is called from a thread of this object's own.
    """

    def __init__(self, on_answer: Callable[[Answer], object]) -> None:
        self._on_answer = on_answer
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def ask(self, request: Request) -> None:
        """Never waits for the answer."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._on_answer(Refused(str(request.__struct_config__.tag), CRASHED))

    def close(self) -> None:
        """End the process: in good order, or after a second whatever it is doing."""
        self._closed = True
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core.inference.workers.live_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Not in the terminal's group: Ctrl-C and hang-ups are the app's business; it ends with its input.
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._on_answer(_answers.decode(line))
        if not self._closed:
            self._on_answer(Refused("process", CRASHED))
