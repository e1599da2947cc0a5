"""The process that decodes what strangers send: bounded in memory, and nothing is lost when it dies.

    python -m core.server.uploads.decode_worker MEMORY_BYTES

Reads one job a line from standard input, ``{"path", "max_seconds"}``, and answers on standard output with frames: a
kind, a rate and a length, then so many bytes. ``BLOCK``: mono float32 samples at the rate; then ``END``, with what is
wrong with the file as text, if anything is. ``UNREADABLE`` and ``TOO_LONG`` end a job too, with the reason as text.
"""

import ctypes
import gc
import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

import msgspec

from core.audio.errors import AudioError
from core.audio.files.decode import AudioReader
from core.audio.files.formats import BY_NAME
from core.audio.files.open_file import open_file

HEADER = struct.Struct("<4sII")
BLOCK, END, UNREADABLE, TOO_LONG = b"blok", b"end.", b"bad.", b"long"
BLOCK_SECONDS = 30.0
BLOCK_SAMPLES = 48_000 * 30
"""A block at a very high rate is shorter in time."""
KILLED_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Job(msgspec.Struct):
    path: str
    max_seconds: float


class TooLong(Exception):
    pass


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bound(int(sys.argv[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Native decoders print: whatever they say must not get in between the frames.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin.buffer:
        try:
            work(msgspec.json.decode(line, type=Job), answers)
        except MemoryError:
            gc.collect()
            send(answers, UNREADABLE, 0, b"needs too much memory to decode")
        answers.flush()


def bound(memory: int) -> None:
    """Limits that the kernel keeps: address space, no files written, no core dump."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(KILLED_WITH_PARENT, signal.SIGKILL)


def work(job: Job, answers: BinaryIO) -> None:
    try:
        seconds = 0.0
        with open_file(job.path) as file:
            reader = AudioReader(job.path, file)
            info = reader.info
            form = BY_NAME.get(info.format)
            if form and form.states_length and info.duration_s > job.max_seconds:
                raise TooLong(f"is {info.duration_s:,.0f} s long")
            for block, rate in reader.blocks(min(BLOCK_SECONDS, BLOCK_SAMPLES / info.rate)):
                seconds += len(block) / rate
                # A header says little about what follows it.
                if seconds > job.max_seconds:
                    raise TooLong(f"is longer than {job.max_seconds:,.0f} s")
                send(answers, BLOCK, rate, block.tobytes())
            warning = reader.warning
        send(answers, END, 0, (warning or "").encode())
    except AudioError as error:
        send(answers, UNREADABLE, 0, error.reason.encode())
    except TooLong as error:
        send(answers, TOO_LONG, 0, str(error).encode())


def send(answers: BinaryIO, kind: bytes, rate: int, data: bytes) -> None:
    answers.write(HEADER.pack(kind, rate, len(data)))
    answers.write(data)


if __name__ == "__main__":
    main()
