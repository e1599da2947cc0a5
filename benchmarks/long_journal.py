"""A run whose journal has 100 MB: on the Watch screen of the app, and read without it; the first time and again."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.app import App
from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.events import encode
from tests.support import example_run as made_up_run

BATCHES = 400
CURVES = "train 0.0"
"""The training loss of the last epoch, above its chart."""


def measure(bench: Bench) -> Iterator[Figure]:
    megabytes = 20 if bench.quick else 100
    runs = bench.scratch / "long"
    run = RunFolder(runs / "run-0")
    _write(run, megabytes * 1_000_000)
    journal = f"a journal of {megabytes} MB"
    yield from _in_the_app(runs, bench.scratch, f"{journal}, the first time")
    (run.path / "events.state").unlink(missing_ok=True)
    busy = processor_seconds()
    first = seconds(lambda: RunReader(run).poll())
    busy = processor_seconds() - busy
    again = min(seconds(lambda: RunReader(run).poll()) for _ in range(5))
    yield Figure(f"read {journal}", first, "s", processor=busy)
    yield Figure(f"read {journal} again", again, "s", first, "the first time")
    yield from _in_the_app(runs, bench.scratch, f"{journal}, again")


def _in_the_app(runs: Path, home: Path, which: str) -> Iterator[Figure]:
    with App(runs, home, home) as app:
        listed = app.shows("run-0")
        app.press("\r")
        watched = app.shows(CURVES)
        app.leave()
    for what, taken, wanted in (
        (f"the app's first screen with {which}", listed, ""),
        (f"Watch: from its key to the curves of {which}", watched, "< 1 s"),
    ):
        yield Figure(what, taken.wall, "s", wanted=wanted, processor=taken.processor, waiting=taken.waiting)


def _write(run: RunFolder, size: int) -> None:
    """A made-up run of as many epochs as it takes."""
    run.path.mkdir(parents=True)
    written = seq = epoch = 0
    with run.journal_path.open("wb") as journal:
        events = made_up_run.beginning(100_000)
        while written < size:
            for event in events:
                written += journal.write(encode(msgspec.structs.replace(event, seq=seq, time=1.7e9 + seq)))
                seq += 1
            epoch += 1
            step = made_up_run.batch(epoch, 1)
            batches = (
                msgspec.structs.replace(step, batch=n, batches=BATCHES, step=BATCHES * epoch + n)
                for n in range(1, BATCHES)
            )
            events = [*made_up_run.epochs(epoch, epoch), *batches]
