"""Timing work and its baseline turn by turn, so that a busy machine slows both alike."""

import os
import resource
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
    """Seconds of each work's best turn, when the least was in its way, after one that does not count."""
    for work in works:
        work()
    taken = [[seconds(work) for work in works] for _ in range(times)]
    return [min(column) for column in zip(*taken, strict=True)]


def processor_seconds() -> float:
    """Processor time of this process, all of its threads, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def command_seconds(command: Sequence[str | Path], times: int) -> tuple[float, float]:
    """Median wall time and processor time of a process, after one turn that compiles the bytecode."""

    def run() -> float:
        before = processor_seconds()
        subprocess.run([*map(str, command)], check=True, capture_output=True)
        return processor_seconds() - before

    run()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        processor = run()
        taken.append((time.perf_counter() - began, processor))
    walls, processors = zip(*taken, strict=True)
    return statistics.median(walls), statistics.median(processors)


def load() -> float:
    """How many processes want a core: beside a figure it says how much of the machine the figure had."""
    return os.getloadavg()[0]
