"""``make bench``: what this machine does, beside the ordinary way to do it, as one table; and a line of history.

make bench ARGS="--quick"
make bench ARGS="--only decode features --no-history"
make bench ARGS="--only larger_than_memory --scratch /mnt/big"     # 17 GB of disk
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from core.util.parallel import tune_process

tune_process()  # as the trainer does, before torch is there: the baselines gain by it too

from benchmarks.bench import Bench  # noqa: E402
from benchmarks.clock import load  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from benchmarks.table import Figure, as_markdown  # noqa: E402
from core.util.atomic import write_atomic  # noqa: E402

BENCHMARKS = {
    "decode": "decode.measure",
    "features": "features.measure",
    "epoch": "epoch.measure",
    "training": "trainer.measure",
    "classify": "classify.measure",
    "latency": "latency.measure",
    "startup": "startup.measure",
    "first_verdict": "first_verdict.measure",
    "viewer": "viewer.measure",
    "long_journal": "long_journal.measure",
    "labels": "labels.measure",
    "library": "library.measure",
    "memory": "trainer.memory",
}
LONG = {
    "scaling": "scaling.measure",
    "larger_than_memory": "larger_than_memory.measure",
    "compiled": "compiled.measure",
    "whole": "whole.measure",
    "linear_adam": "linear_adam.measure",
}
"""Those that take minutes or many gigabytes of disk and change little: only when they are asked for."""
HISTORY = Path(__file__).with_name("history.jsonl")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer clips and turns: rough figures in two minutes")
    parser.add_argument(
        "--only", nargs="+", choices=[*BENCHMARKS, *LONG], metavar="NAME", help=", ".join(BENCHMARKS | LONG)
    )
    parser.add_argument("--scratch", type=Path, help="where clips are made (a temporary folder)")
    parser.add_argument("--no-history", action="store_true", help=f"add nothing to {HISTORY.name}")
    args = parser.parse_args()
    figures: list[Figure] = []
    loads: dict[str, float] = {}
    failed = []
    with ExitStack() as stack:
        scratch = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scratch.mkdir(parents=True, exist_ok=True)
        bench = Bench(scratch, args.quick)
        for name in args.only or BENCHMARKS:
            module, function = (BENCHMARKS | LONG)[name].split(".")
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                for figure in getattr(import_module(f"benchmarks.{module}"), function)(bench):
                    figures.append(figure)
                    print(as_markdown([figure]).splitlines()[-1], file=sys.stderr, flush=True)
            except Exception as error:  # one benchmark that cannot be had must not cost the others
                failed.append(f"{name}: {type(error).__name__}: {error}")
            loads[name] = round(load(), 1)
    print(f"\n{machine()}\nload after each: {', '.join(f'{name} {value}' for name, value in loads.items())}\n")
    print(as_markdown(figures))
    print(*failed, sep="\n", file=sys.stderr)
    if not args.no_history and not failed:
        _keep(_record(figures, loads, quick=args.quick))
    return bool(failed)


def _keep(record: dict[str, Any]) -> None:
    """Add a line to the history, or to the line that this machine has for this commit."""
    records = [json.loads(line) for line in HISTORY.read_text().splitlines()]
    for known in records:
        if all(known.get(key) == record[key] for key in ("commit", "machine", "quick")):
            measured = {figure["what"]: figure for figure in [*known["figures"], *record["figures"]]}
            record |= {"load": known["load"] | record["load"], "figures": list(measured.values())}
            records.remove(known)
            break
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in [*records, record]]
    write_atomic(HISTORY, "".join(lines).encode())


def _record(figures: list[Figure], loads: dict[str, float], *, quick: bool) -> dict[str, Any]:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "machine": machine(),
        "load": loads,
        "quick": quick,
        "figures": [
            ({} if figure.processor is None else {"processor_s": _short(figure.processor)})
            | ({} if figure.waiting is None else {"waiting_s": _short(figure.waiting)})
            | {"what": figure.what, "unit": figure.unit, "ours": _short(figure.ours)}
            | ({} if figure.baseline is None else {"baseline": _short(figure.baseline), "ratio": _short(figure.ratio)})
            for figure in figures
        ],
    }


def _short(value: float | None) -> float:
    return float(f"{value:.3g}")


if __name__ == "__main__":
    sys.exit(main())
