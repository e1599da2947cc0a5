"""``python -m benchmarks.soak``: a run of 20,000 epochs watched to its end, and what the viewer's memory does."""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pace import Pace
from tests.support.pseudo_terminal import PseudoTerminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.01, help="of an epoch")
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "runs" / "run"
        with Pace(run, args.seconds, args.epochs) as pace:
            time.sleep(1.0)
            with PseudoTerminal(["--runs", str(run.parent), "attach", "run"], Path(scratch)) as terminal:
                terminal.read_until("seed_cnn")
                begun, sent, marks = time.monotonic(), 0, [args.epochs * part // 10 for part in range(1, 11)]
                while marks:
                    sent += len(terminal.read_for(0.5))
                    terminal.output = b""
                    if pace.done >= marks[0]:
                        memory = terminal.process.memory_info().rss / 1e6
                        took = time.monotonic() - begun
                        size = (run / "events.jsonl").stat().st_size / 1e6
                        print(
                            f"{marks.pop(0):>7,} epochs: {memory:6.1f} MB, {terminal.cpu_seconds() / took:4.0%} of a "
                            f"core, {sent / took / 1000:5.1f} KB/s, journal {size:.0f} MB",
                            flush=True,
                        )
                terminal.read_for(3.0)
                terminal.type("q")
                print(f"left with status {terminal.wait()}")


if __name__ == "__main__":
    main()
