"""``python -m benchmarks.viewer_bytes``: what the app sends to its terminal, in a pseudo-terminal that counts.

The measures: nothing at rest on every screen; with an epoch every 5 s below 4 KB/s at 120×40 and below 8 KB/s at
200×60, also behind a dialog; at 120×40 never above 20 KB/s however fast the epochs come.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pace import Pace
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal


def bytes_a_second(terminal: PseudoTerminal, seconds: float) -> tuple[float, int]:
    """Mean over all of ``seconds``, and the most in any one second."""
    each = []
    for _ in range(round(seconds)):
        until = time.monotonic() + 1.0
        each.append(len(terminal.read_for(until - time.monotonic())))
    return sum(each) / len(each), max(each)


AT_REST = {"Runs": "", "Compare": "  c", "New run": "n", "Classify": "3", "Listen": "4", "Label": "5"}
"""Screen → the keys that lead to it from Runs."""


def measure(
    name: str, arguments: list[str], scratch: Path, size: tuple[int, int], seconds: float, *, keys: str = ""
) -> None:
    """The bytes a second after these ``keys``, once the screen has settled."""
    with PseudoTerminal(arguments, scratch, size=size) as terminal:
        begun = len(terminal.read_until("epoch "))
        for key in keys:
            begun += len(terminal.read_for(0.5))
            terminal.type(key)
        begun += len(terminal.read_for(5.0))
        mean, most = bytes_a_second(terminal, seconds)
        print(f"{size[0]}×{size[1]}  {name:<38} {mean:>8,.0f} B/s, most in a second {most:>7,} B (start {begun:,} B)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--size", default="120x40")
    args = parser.parse_args()
    columns, rows = args.size.split("x")
    size = int(columns), int(rows)
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        ended = made_up_run.write_run(home / "ended" / "run", made_up_run.whole(20))
        made_up_run.write_run(home / "ended" / "other", made_up_run.variant(1))
        listed, attached = ["--runs", str(ended.parent)], ["--runs", str(ended.parent), "attach", "run"]
        for screen, keys in AT_REST.items():
            measure(f"{screen} at rest", listed, home, size, args.seconds, keys=keys)
        measure("Watch on a finished run, at rest", attached, home, size, args.seconds)
        for name, pace in (("an epoch every 5 s", 5.0), ("an epoch every 0.2 s", 0.2), ("500 epochs a second", 0.002)):
            run = home / f"pace-{pace}" / "run"
            with Pace(run, pace):
                time.sleep(1.0)
                attach = ["--runs", str(run.parent), "attach", "run"]
                measure(f"Watch, {name}", attach, home, size, args.seconds)
                measure(f"Runs, {name}", ["--runs", str(run.parent)], home, size, args.seconds)
                if pace == 5.0:
                    measure(f"Watch behind a dialog, {name}", attach, home, size, args.seconds, keys="s")


if __name__ == "__main__":
    main()
