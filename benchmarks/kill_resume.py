"""A trainer killed with SIGKILL at random moments and resumed each time: its weights are those of an undisturbed run.

python -m benchmarks.kill_resume --kills 100
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import torch

from core.dataset.synthetic import make_demo
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.launch import launch
from core.training.recipe import Recipe, to_dict
from tests.support.trainer_runs import EVERYTHING, FRONT_END

KILLS_PER_RUN = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_resume", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many in all, ten per run (100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    args = parser.parse_args()
    moments = random.Random(args.seed)
    killed, runs, different = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        genres = make_demo(Path(folder) / "demo", clips_per_genre=6, seconds=2.0)
        whole = new_run(Path(folder), genres, "whole")
        seconds = train_to_the_end(whole)
        expected = weights(whole)
        while killed < args.kills:
            run = new_run(Path(folder), genres, f"killed-{runs}")
            for _ in range(min(KILLS_PER_RUN, args.kills - killed)):
                pid = launch(run)
                time.sleep(moments.uniform(0, seconds))
                if run.is_alive():
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                wait_for_the_end(run)
            train_to_the_end(run)
            runs += 1
            same = all(torch.equal(tensor, expected[name]) for name, tensor in weights(run).items())
            different += not same
            print(f"{killed} kills, {runs} runs, {different} with other weights", flush=True)
    return 1 if different else 0


def new_run(folder: Path, genres: Path, name: str) -> RunFolder:
    recipe = Recipe(
        data=str(genres),
        model="small_cnn",
        front_end=FRONT_END,
        epochs=12,
        batch_size=4,
        crop_seconds=1.0,
        crops_per_clip=4,
        test_crops=2,
        device="cpu",
        **EVERYTHING,  # type: ignore[arg-type]
    )
    return create(folder / "runs", to_dict(recipe), "demo", recipe.model, name=name)


def train_to_the_end(run: RunFolder) -> float:
    """Train until the run is finished; returns the seconds."""
    began = time.monotonic()
    if run.state().status != "finished":
        launch(run)
        wait_for_the_end(run)
    if (state := run.state()).status != "finished":
        raise SystemExit(f"{run.name} is {state.status}: see {run.trainer_log_path}")
    return time.monotonic() - began


def wait_for_the_end(run: RunFolder) -> None:
    while run.is_alive():
        time.sleep(0.05)


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    saved: dict[str, torch.Tensor] = torch.load(run.last_path, weights_only=True)["weights"]
    return saved


if __name__ == "__main__":
    raise SystemExit(main())
