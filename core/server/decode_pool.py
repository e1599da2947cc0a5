"""Processes that decode uploads, so that a file that crashes or blocks a decoder affects only one request."""

import os
import queue
import select
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from core.audio.conversion import Waveform
from core.audio.files.open_file import AudioError
from core.server.decode_worker import BLOCK, END, HEADER, TOO_LONG, Job
from core.server.limits import Limits
from core.server.schemas import Problem
from core.util.jsonl_process import PACKAGES, start_worker

LARGEST_FRAME = 64 * 1024 * 1024


class DecodePool:
    """A fixed number of worker processes, each decoding one file at a time. Thread-safe."""

    def __init__(self, workers: int, limits: Limits, on_crash: Callable[[], None] = lambda: None) -> None:
        self._limits, self._on_crash = limits, on_crash
        self._workers = [_Worker(limits.decode_bytes) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    @contextmanager
    def decoding(self, path: Path, name: str) -> Iterator["DecodedSound"]:
        """Context manager: the sound of the file at ``path``. ``name`` appears in messages.

        Raises (while the sound is read):
            AudioError: the file cannot be decoded, or crashed the decoder.
            Problem: 413, the sound is too long.
        """
        worker = self._idle.get()
        sound = DecodedSound(
            worker.decode(Job(str(path), self._limits.audio_seconds), name, self._limits.decode_seconds)
        )
        freed = False

        def free() -> None:
            nonlocal freed
            if not freed:
                freed = True
                worker.recover()
                self._idle.put(worker)

        try:
            sound.on_end = free
            yield sound
        except Crashed:
            self._on_crash()
            raise AudioError(name, "crashed the decoder") from None
        finally:
            free()

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()


class Crashed(Exception):
    """The worker died while decoding."""


class DecodedSound:
    """A `core.inference.classifier.Sound`: blocks of mono sound (samples,) with their rate, read one block ahead.

    Attributes:
        warning: a problem of the file; valid after the last block.
    """

    warning: str | None = None

    def __init__(self, frames: Generator[tuple[Waveform, int], None, str]) -> None:
        self._frames = frames
        self.on_end: Callable[[], None] = lambda: None

    def blocks(self, block_seconds: float = 0.0) -> Iterator[tuple[Waveform, int]]:
        """Yield blocks; the worker decides their length."""
        block = self._next()
        while block is not None:
            following = self._next()
            yield block
            block = following

    def _next(self) -> tuple[Waveform, int] | None:
        try:
            return next(self._frames)
        except StopIteration as stop:
            self.warning = stop.value or None
            self.on_end()
            return None


class _Worker:
    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._busy = False
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return start_worker(
            "core.server.decode_worker",
            [str(self._memory)],
            stderr=subprocess.DEVNULL,
            # The server's environment is not passed on, because it may contain the token; one thread per process.
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": str(PACKAGES),
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            },
        )

    def decode(self, job: Job, name: str, seconds: float) -> Generator[tuple[Waveform, int], None, str]:
        """Yield the blocks of a job; returns the warning about the file.

        The time limit applies to the worker, not to the use of a block.
        """
        if self._process.poll() is not None:
            self._process = self._start()
        self._busy = True
        self._send(msgspec.json.encode(job) + b"\n")
        left = seconds
        while True:
            began = time.monotonic()
            kind, rate, length = HEADER.unpack(self._receive(HEADER.size, left, name))
            data = self._receive(length, left - (time.monotonic() - began), name)
            left -= time.monotonic() - began
            if kind == BLOCK:
                yield np.frombuffer(data, dtype=np.float32), rate
                continue
            self._busy = False
            reason = data.decode("utf-8", "replace")
            if kind == END:
                return reason
            if kind == TOO_LONG:
                raise Problem(413, "audio-too-long", f"{name}: {reason}")
            raise AudioError(name, reason)

    def recover(self) -> None:
        """Make the worker ready for another job; a busy one is replaced."""
        if self._busy:
            self.kill()
            self._busy = False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            raise Crashed from None

    def _receive(self, count: int, seconds: float, name: str) -> bytearray:
        if count > LARGEST_FRAME:  # a compromised decoder may send anything
            raise Crashed
        assert self._process.stdout is not None
        data = bytearray(count)
        view, filled = memoryview(data), 0
        deadline = time.monotonic() + seconds
        while filled < count:
            left = deadline - time.monotonic()
            if left <= 0 or not _readable(self._process.stdout.fileno(), left):
                raise AudioError(name, "takes too long to decode")
            got = os.readv(self._process.stdout.fileno(), [view[filled:]])
            if not got:
                raise Crashed
            filled += got
        return data


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))
