"""``python -m benchmarks.first_paint``: from the interpreter's start to the first screen of the app with runs on it.

Also what a thousand runs cost: the first look reads every journal, later ones what was kept beside them.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import machine
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal


class Taken(NamedTuple):
    wall: float
    processor: float
    """Of the app until then, which other loads of the machine do not lengthen as much."""


def first_screen(text: str, runs: Path, home: Path) -> Taken:
    """Seconds until the app shows ``text``."""
    begun = time.monotonic()
    with PseudoTerminal(["--runs", str(runs)], home) as terminal:
        terminal.read_until(text)
        taken = Taken(time.monotonic() - begun, terminal.cpu_seconds())
        terminal.type("q")
        terminal.wait()
    return taken


def line(what: str, taken: list[Taken]) -> str:
    walls, processors = zip(*taken, strict=True)
    return (
        f"first screen with {what}: median {statistics.median(walls):.2f} s, best {min(walls):.2f} s; "
        f"{statistics.median(processors):.2f} s of processor time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs the large folder has")
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        home, few, many = Path(scratch), Path(scratch) / "few", Path(scratch) / "many"
        for number in range(3):
            made_up_run.write_run(few / f"run-{number}", made_up_run.whole(5))
        for number in range(args.runs):
            made_up_run.write_run(many / f"run-{number:04d}", made_up_run.whole(5))
        first_screen("run-2", few, home)  # compiles the bytecode
        print(line("3 runs", [first_screen("run-2", few, home) for _ in range(args.times)]))
        print(line(f"{args.runs:,} runs, never seen", [first_screen("run-0", many, home)]))
        print(line(f"{args.runs:,} runs", [first_screen("run-0", many, home) for _ in range(args.times)]))


if __name__ == "__main__":
    main()
