"""``python -m benchmarks.fuzz_app --minutes 5 --seed 1``: random keys, clicks and resizes on every screen.

Runs come, grow and go meanwhile, and one is trained by a real trainer. Reports exceptions, screens that do not come
back and a lost focus, each with the seed and the acts before it.
"""

import argparse
import asyncio
import os
import signal
import tempfile
import time
import traceback
from pathlib import Path

from core.dataset.synthetic import make_demo
from core.runs.directory import create, list_runs
from core.runs.launch import launch
from core.runs.lock import holder
from core.training.presets import preset
from core.training.recipe import to_dict
from tests.support import example_run as made_up_run
from tests.support.monkey import Monkey, stay
from tui.app import GenreApp


async def play(runs: Path, seed: int, steps: int) -> str:
    """What went wrong; empty if nothing did."""
    app = GenreApp(runs)
    stay(app)
    monkey = None
    try:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            monkey = Monkey(pilot, runs, seed)
            await monkey.play(steps)
    except Exception:
        acts = " ".join(monkey.done[-40:]) if monkey else ""
        return f"seed {seed}: {acts}\n{traceback.format_exc()}"
    return ""


def end_trainers(runs: Path) -> None:
    for run in list_runs(runs):
        if run.is_alive() and (owner := holder(run.lock_path)) is not None:
            os.kill(owner[0], signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200, help="of each seed")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        os.environ |= {"HOME": scratch, "XDG_STATE_HOME": f"{scratch}/state", "XDG_CONFIG_HOME": f"{scratch}/config"}
        os.environ |= {"BROWSER": "true", "TERM": "xterm-256color", "COLORTERM": "truecolor", "OMP_NUM_THREADS": "1"}
        os.chdir(home)
        data = make_demo(home, clips_per_genre=6, seconds=2.0)
        runs = home / "runs"
        for number in range(5):
            made_up_run.write_run(runs / f"run-{number}", made_up_run.variant(number, epochs=6))
        made_up_run.write_run(runs / "failed", made_up_run.failed())
        live = create(runs, to_dict(preset("quick", str(data))), "data", "small_cnn", name="live")
        live.write_recipe(live.read_recipe() | {"epochs": 10_000, "spectrograms": False})
        launch(live)
        begun, seed = time.monotonic(), args.seed
        try:
            while time.monotonic() - begun < args.minutes * 60:
                if trouble := asyncio.run(play(runs, seed, args.steps)):
                    failures += 1
                    print(trouble, flush=True)
                seed += 1
        finally:
            end_trainers(runs)
    print(f"{seed - args.seed} seeds of {args.steps} acts, {failures} failures")


if __name__ == "__main__":
    main()
