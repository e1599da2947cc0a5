"""The Classify screen in a pseudo-terminal: from its key to a model that is ready, and to the first verdict."""

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.app import App, Taken
from benchmarks.bench import Bench
from benchmarks.table import Figure

LENGTH = "00:30"
"""Of the file, which is shown with its verdict."""


def measure(bench: Bench) -> Iterator[Figure]:
    folder = bench.scratch / "one"
    folder.mkdir(exist_ok=True)
    shutil.copy(bench.files(100)[0], folder / "a.au")
    times = 2 if bench.quick else 7
    warm = [_warm(bench.scratch, folder) for _ in range(times + 1)][1:]  # the first compiles the bytecode
    at_once = [_at_once(bench.scratch, folder) for _ in range(times)]
    columns = [*zip(*warm, strict=True), at_once]
    whats = (
        ("Classify: from its key to the model loaded", ""),
        ("Classify: from enter to the first verdict, model loaded", "< 2 s"),
        ("Classify: from its key to the verdict on a file that is chosen at once", "< 2 s"),
    )
    for (what, wanted), taken in zip(whats, columns, strict=True):
        wall, processor, waiting = (statistics.median(column) for column in zip(*taken, strict=True))
        yield Figure(what, wall, "s", wanted=wanted, processor=processor, waiting=waiting)


def _warm(scratch: Path, folder: Path) -> tuple[Taken, Taken]:
    with App(scratch / "no-runs", scratch, folder) as app:
        app.shows("1 Runs")
        app.press("3")
        loaded = app.shows("genres ·")
        app.press("j\r")
        verdict = app.shows(LENGTH)
        app.leave()
    return loaded, verdict


def _at_once(scratch: Path, folder: Path) -> Taken:
    with App(scratch / "no-runs", scratch, folder) as app:
        app.shows("1 Runs")
        app.press("3")
        app.read_until("a.au")
        app.type("j\r")
        verdict = app.shows(LENGTH)
        app.leave()
    return verdict
