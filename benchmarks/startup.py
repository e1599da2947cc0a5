"""From the interpreter's start: --help, the first screen, one file classified, and torch's own import to compare."""

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.app import App, Taken
from benchmarks.bench import Bench
from benchmarks.clock import command_seconds
from benchmarks.table import Figure
from tests.support import example_run as made_up_run

CLI = [sys.executable, "-m", "tui.cli"]
RUNS = 3, 1_000
"""In the list of the first screen."""


def measure(bench: Bench) -> Iterator[Figure]:
    times = 3 if bench.quick else 9
    bare, _ = command_seconds([sys.executable, "-c", "pass"], times)
    torch, _ = command_seconds([sys.executable, "-c", "import torch"], times)
    wall, processor = command_seconds([*CLI, "--help"], times)
    yield Figure("genre-tui --help", wall, "s", bare, "python -c pass", "< 0.2 s", processor)
    for count in RUNS:
        yield from _first_screen(bench.scratch / f"runs-{count}", count, bench.scratch, times)
    file = bench.files(100)[0]
    wall, processor = command_seconds([*CLI, "classify", file, "--json", "--model", bench.model], times)
    yield Figure(
        "classify one 30 s file, from cold", wall, "s", torch, "python -c 'import torch'", "≤ 1.15×", processor
    )


def _first_screen(runs: Path, count: int, home: Path, times: int) -> Iterator[Figure]:
    """The first time, in which every journal is read, and then with what was kept beside them."""
    for number in range(count):
        made_up_run.write_run(runs / f"run-{number:04d}", made_up_run.whole(5))
    first, *later = [_until_listed(runs, home) for _ in range(times + 1)]
    what = f"the app's first screen, {count:,} runs"
    yield Figure(f"{what}, never seen", first.wall, "s", processor=first.processor, waiting=first.waiting)
    wall, processor, waiting = (statistics.median(column) for column in zip(*later, strict=True))
    yield Figure(what, wall, "s", wanted="< 0.35 s", processor=processor, waiting=waiting)


def _until_listed(runs: Path, home: Path) -> Taken:
    with App(runs, home, home) as app:
        taken = app.shows("run-0")
        app.leave()
    return taken
