"""Timing work and its baseline turn by turn, so that a busy machine slows both alike."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Work = Callable[[], object]


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def side_by_side(times: int, *works: Work) -> list[float]:
    """Median seconds of each work, after one turn that does not count."""
    for work in works:
        work()
    taken = [[seconds(work) for work in works] for _ in range(times)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def command_seconds(command: Sequence[str | Path], times: int, cwd: Path | None = None) -> float:
    """Median wall time of a process, from its start to its end, after one turn that compiles the bytecode."""

    def run() -> None:
        subprocess.run([*map(str, command)], check=True, capture_output=True, cwd=cwd)

    return side_by_side(times, run)[0]


def load() -> float:
    """How many processes want a core: beside a figure it says how much of the machine the figure had."""
    return os.getloadavg()[0]
