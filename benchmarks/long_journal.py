"""Opening a run whose journal has 100 MB, as Watch does: the first time, and again."""

from collections.abc import Iterator

import msgspec

from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.events import BatchProgress, EpochStarted, Event, encode

BATCHES = 400


def measure(bench: Bench) -> Iterator[Figure]:
    megabytes = 20 if bench.quick else 100
    run = RunFolder(bench.scratch / "long")
    run.path.mkdir()
    _write(run, megabytes * 1_000_000)
    look = seconds(lambda: RunReader(run).first_look())
    yield Figure(f"what Watch shows first of a journal of {megabytes} MB", look, "s", wanted="< 1 s")
    busy = processor_seconds()
    first = seconds(lambda: RunReader(run).poll())
    busy = processor_seconds() - busy
    again = min(seconds(lambda: RunReader(run).poll()) for _ in range(5))
    yield Figure(f"open a journal of {megabytes} MB", first, "s", processor=busy)
    yield Figure(f"open a journal of {megabytes} MB again", again, "s", first, "the first time", "< 1 s")


def _write(run: RunFolder, size: int) -> None:
    written = seq = 0
    with run.journal_path.open("wb") as journal:
        while written < size:
            epoch, batch = 1 + seq // BATCHES, seq % BATCHES
            event: Event = EpochStarted(epoch=epoch, batches=BATCHES - 1)
            if batch:
                event = BatchProgress(epoch=epoch, batch=batch, batches=BATCHES - 1, step=seq, loss=1 / batch)
            written += journal.write(encode(msgspec.structs.replace(event, seq=seq, time=1.7e9 + seq)))
            seq += 1
