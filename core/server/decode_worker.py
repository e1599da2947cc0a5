"""The process that decodes uploads with bounded memory. Its death affects only the current file.

    python -m core.server.decode_worker MEMORY_BYTES

It reads one job per line from standard input, ``{"path", "max_seconds"}``, and answers with binary frames, because
samples as JSON would take longer than decoding: kind, rate and length, then that many bytes. ``BLOCK`` holds mono
float32 samples; ``END`` holds the warning, if any; ``UNREADABLE`` and ``TOO_LONG`` end a job with the reason.
"""

import gc
import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

import msgspec

from core.audio.files.decode import AudioReader
from core.audio.files.formats import BY_NAME
from core.audio.files.open_file import AudioError, open_file
from core.util.jsonl_process import claim_stdout
from core.util.parallel import die_with_parent

HEADER = struct.Struct("<4sII")
BLOCK, END, UNREADABLE, TOO_LONG = b"blok", b"end.", b"bad.", b"long"
BLOCK_SECONDS = 30.0
BLOCK_SAMPLES = 48_000 * 30
"""Most samples of a block, which limits its length at very high rates."""


class Job(msgspec.Struct):
    path: str
    max_seconds: float


class TooLong(Exception):
    pass


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bound(int(sys.argv[1]))
    answers = os.fdopen(claim_stdout(), "wb")
    for line in sys.stdin.buffer:
        try:
            work(msgspec.json.decode(line, type=Job), answers)
        except (MemoryError, ImportError):  # the decoder's library is loaded with the first file
            gc.collect()
            send(answers, UNREADABLE, 0, b"needs too much memory to decode")
        answers.flush()


def bound(memory: int) -> None:
    """Set kernel limits: address space, no file writes, no core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    die_with_parent()


def work(job: Job, answers: BinaryIO) -> None:
    try:
        with open_file(job.path) as file:
            reader = AudioReader(job.path, file)
            info = reader.info
            form = BY_NAME.get(info.format)
            if form and form.states_length and info.duration_s > job.max_seconds:
                raise TooLong(f"is {info.duration_s:,.0f} s long")
            for block, rate in reader.blocks(min(BLOCK_SECONDS, BLOCK_SAMPLES / info.rate)):
                # The length in the header may be wrong.
                if reader.seconds > job.max_seconds:
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
