"""``python -m benchmarks.key_latency DATA``: how soon the app answers a key while training uses every core.

A key is answered when the first byte that it causes reaches the terminal. The run is a real one, at its full pace.
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
from tests.support.pseudo_terminal import PseudoTerminal, wait_until


def measure(name: str, terminal: PseudoTerminal, keys: list[str], times: int) -> None:
    """Milliseconds to the answer of each key, pressed when the screen has been still for a moment.

    The processor time a key, which other loads of the machine do not lengthen, includes what is drawn by itself.
    """
    taken: list[float] = []
    before = terminal.cpu_seconds()
    for number in range(times):
        while terminal.read(0.05):
            pass
        pressed = time.perf_counter()
        terminal.type(keys[number % len(keys)])
        terminal.read(5.0)
        taken.append((time.perf_counter() - pressed) * 1000)
    processor = (terminal.cpu_seconds() - before) * 1000 / times
    ordered = sorted(taken)
    print(
        f"{name:<30} median {statistics.median(taken):5.1f} ms, 95 % below {ordered[int(times * 0.95)]:5.1f} ms, "
        f"worst {ordered[-1]:5.1f} ms; {processor:4.1f} ms of processor time ({times} keys)"
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
            home / "runs", to_dict(preset("quick", str(args.data.absolute()))), "data", "small_cnn", name="run"
        )
        run.write_recipe(run.read_recipe() | {"epochs": 10_000, "spectrograms": False})
        pid = launch(run)
        try:
            wait_until(lambda: run.state().epochs_done > 0, "the first epoch", 300)
            with PseudoTerminal(["--runs", str(home / "runs")], home) as terminal:
                terminal.read_until("running")
                measure("Runs: order, column", terminal, ["o", "<"], args.times)
                measure("between modes", terminal, ["2", "1"], args.times)
                terminal.type("q")
                terminal.wait()
            with PseudoTerminal(["--runs", str(home / "runs"), "attach", "run"], home) as terminal:
                terminal.read_until("running")
                terminal.read_for(2.0)
                measure("Watch: scale, smoothing, pane", terminal, ["l", "m", "\t"], args.times)
                terminal.type("q")
                terminal.wait()
        finally:
            subprocess.run(["kill", "-9", str(pid)], check=False)
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
