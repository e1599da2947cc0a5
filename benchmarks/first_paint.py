"""``python -m benchmarks.first_paint``: from the interpreter's start to the first screen of the app with runs on it.

Also what a thousand runs cost: the first look reads every journal, later ones what was kept beside them.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal


def seconds_to(text: str, runs: Path, home: Path) -> float:
    begun = time.monotonic()
    with PseudoTerminal(["--runs", str(runs)], home) as terminal:
        terminal.read_until(text)
        taken = time.monotonic() - begun
        terminal.type("q")
        terminal.wait()
    return taken


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
        seconds_to("run-2", few, home)  # compiles the bytecode
        taken = [seconds_to("run-2", few, home) for _ in range(args.times)]
        print(f"first screen with 3 runs: median {statistics.median(taken):.2f} s, best {min(taken):.2f} s")
        print(f"first screen with {args.runs:,} runs, never seen: {seconds_to('run-0', many, home):.2f} s")
        taken = [seconds_to("run-0", many, home) for _ in range(args.times)]
        print(f"first screen with {args.runs:,} runs: median {statistics.median(taken):.2f} s, best {min(taken):.2f} s")


if __name__ == "__main__":
    main()
