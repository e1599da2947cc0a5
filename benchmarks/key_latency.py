"""``python -m benchmarks.key_latency DATA``: how soon the app answers a key while training uses every core.

A key is answered when the text that it brings has reached the terminal. The run is a real one, at its full pace. The
measure: within 50 ms.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from core.runs.directory import create
from core.runs.launch import launch
from core.training.presets import preset
from core.training.recipe import to_dict
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal, wait_until

LONGEST = 5.0


Keys = list[tuple[str, str]]
"""Keys, each with a text that appears on the screen because of it; without one, the first byte counts."""
RUNS = 1000
"""In the list, beside the one that is trained."""
ROWS: Keys = [("j", ""), ("k", "")]
FILTER: Keys = [*((key, "") for key in "run-09"), *[("\x7f", "")] * 6]
HELP: Keys = [("?", "esc close"), ("q", "")]
MODES: Keys = [
    ("2", "[2 Watch]"),
    ("3", "[3 Classify]"),
    ("4", "[4 Listen]"),
    ("5", "[5 Label]"),
    ("1", "[1 Runs]"),
]
CHARTS: Keys = [("]", "Learning rate"), ("[", "Accuracy")]
DIALOG: Keys = [("o", "outliers"), ("q", "")]
TYPING: Keys = [("a", ""), ("\x7f", "")]


def measure(name: str, terminal: PseudoTerminal, keys: Keys, times: int) -> None:
    """Milliseconds until the screen shows the effect of each key, pressed when nothing else is drawn.

    The keys are pressed in turn, at least ``times`` in all and each as often as the others, so that the screen is
    afterwards what it was before. The processor time per key includes what is drawn by
    itself.
    """
    times = -(-times // len(keys)) * len(keys)
    taken: list[float] = []
    before, sent = terminal.cpu_seconds(), len(terminal.output)
    for number in range(times):
        while terminal.read(0.05):
            pass
        key, shows = keys[number % len(keys)]
        pressed = time.perf_counter()
        terminal.type(key)
        got, answered = terminal.read(LONGEST), time.perf_counter()
        while not got or shows not in terminal.screen():
            if time.perf_counter() - pressed > LONGEST:
                raise SystemExit(f"{name}: {key!r} does not show {shows!r} within {LONGEST:g} s")
            got, answered = terminal.read(LONGEST), time.perf_counter()
        taken.append((answered - pressed) * 1000)
    processor = (terminal.cpu_seconds() - before) * 1000 / times
    ordered, kilobytes = sorted(taken), (len(terminal.output) - sent) / 1000 / times
    print(
        f"{name:<30} median {statistics.median(taken):5.1f} ms, 95% below {ordered[int(times * 0.95)]:5.1f} ms, "
        f"worst {ordered[-1]:5.1f} ms; {processor:4.1f} ms of processor time, {kilobytes:.1f} KB ({times} keys)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of genres")
    parser.add_argument("--times", type=int, default=100)
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        run = create(
            home / "runs", to_dict(preset("quick", str(args.data.absolute()))), "data", "small_cnn", name="aa-busy"
        )
        run.write_recipe(run.read_recipe() | {"epochs": 10_000, "spectrograms": False})
        for number in range(RUNS):
            made_up_run.write_run(home / "runs" / f"run-{number:04d}", made_up_run.whole(5))
        pid = launch(run)
        try:
            wait_until(lambda: run.state().epochs_done > 0, "the first epoch", 300)
            with PseudoTerminal(["--runs", str(home / "runs"), "attach", "aa-busy"], home) as terminal:
                terminal.read_until("epoch ")
                terminal.read_for(2.0)
                measure("Watch: other charts", terminal, CHARTS, args.times)
                measure("Watch: a dialog and back", terminal, DIALOG, args.times)
                terminal.type("1")
                terminal.read_until("run-0")
                terminal.read_for(5.0)
                measure("Runs: another row", terminal, ROWS, args.times)
                terminal.type("/")
                terminal.read_for(1.0)
                measure("Runs: typing in the filter", terminal, FILTER, args.times)
                terminal.type("\x1b")
                terminal.read_for(3.0)
                measure("Runs: help and back", terminal, HELP, args.times)
                for key in "23451":  # a mode's code is loaded when it is first shown
                    terminal.type(key)
                    terminal.read_for(5.0)
                measure("between modes", terminal, MODES, args.times)
                terminal.type("n")
                terminal.read_for(3.0)
                measure("New run: typing", terminal, TYPING, args.times)
        finally:
            subprocess.run(["kill", "-9", str(pid)], check=False)
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
