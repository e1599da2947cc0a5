"""Bytes that the Watch screen sends to its terminal at 120×40."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.pace import Pace
from benchmarks.table import Figure
from benchmarks.viewer_bytes import bytes_a_second
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal


def measure(bench: Bench) -> Iterator[Figure]:
    seconds = 5.0 if bench.quick else 20.0
    ended = made_up_run.write_run(bench.scratch / "ended" / "run", made_up_run.whole(20))
    yield Figure("Watch, at rest", _mean(bench, ended.parent, seconds), "B/s", wanted="0")
    for pace, wanted in ((5.0, "< 4,000 B/s"), (0.002, "< 20,000 B/s")):
        run = bench.scratch / f"pace-{pace}" / "run"
        with Pace(run, pace):
            time.sleep(1.0)
            yield Figure(f"Watch, an epoch every {pace:g} s", _mean(bench, run.parent, seconds), "B/s", wanted=wanted)


def _mean(bench: Bench, runs: object, seconds: float) -> float:
    with PseudoTerminal(["--runs", str(runs), "attach", "run"], bench.scratch) as terminal:
        terminal.read_until("seed_cnn")
        terminal.read_for(3.0)
        mean, _ = bytes_a_second(terminal, seconds)
        terminal.type("q")
        terminal.wait()
    return mean
