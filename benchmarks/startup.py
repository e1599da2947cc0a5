"""From the interpreter's start: --help, the first screen, one file classified, and torch's own import to compare."""

import statistics
import sys
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.clock import command_seconds
from benchmarks.first_paint import first_screen
from benchmarks.table import Figure
from tests.support import example_run as made_up_run

CLI = [sys.executable, "-m", "tui.cli"]


def measure(bench: Bench) -> Iterator[Figure]:
    times = 3 if bench.quick else 9
    bare, _ = command_seconds([sys.executable, "-c", "pass"], times)
    torch, _ = command_seconds([sys.executable, "-c", "import torch"], times)
    wall, processor = command_seconds([*CLI, "--help"], times)
    yield Figure("genre-tui --help", wall, "s", bare, "python -c pass", "< 0.2 s", processor)
    for number in range(3):
        made_up_run.write_run(bench.scratch / "few" / f"run-{number}", made_up_run.whole(5))
    paints = [first_screen("run-2", bench.scratch / "few", bench.scratch) for _ in range(times + 1)][1:]
    wall, processor = (statistics.median(values) for values in zip(*paints, strict=True))
    yield Figure("the app's first screen", wall, "s", wanted="< 0.35 s", processor=processor)
    file = bench.files(100)[0]
    wall, processor = command_seconds([*CLI, "classify", file, "--json", "--model", bench.model], times)
    yield Figure("classify one 30 s file, from cold", wall, "s", torch, "python -c 'import torch'", "< 3 s", processor)
