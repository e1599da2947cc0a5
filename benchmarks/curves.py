"""``python -m benchmarks.curves DATA``: that the fast path learns what the plain one does, epoch by epoch.

The same recipe and seed three times: by the plain path (float32), by the fast path (bfloat16 where the processor has
it, channels last, fused optimiser), and by the plain path with another seed, whose distance is the noise of training.
"""

import argparse
import tempfile
from pathlib import Path

import msgspec

from core.util.parallel import tune_process

tune_process()

from benchmarks.machine import machine  # noqa: E402
from core.runs.directory import create  # noqa: E402
from core.runs.journal.events import EpochFinished, RunFinished  # noqa: E402
from core.runs.journal.journal import JournalReader  # noqa: E402
from core.training.presets import PRESETS, preset  # noqa: E402
from core.training.recipe import Recipe, to_dict  # noqa: E402
from core.training.run.trainer import run_trainer  # noqa: E402


def curve(recipe: Recipe, scratch: Path) -> list[EpochFinished]:
    run = create(scratch, to_dict(recipe), "curves", recipe.model)
    ending = run_trainer(run.path)
    assert isinstance(ending, RunFinished), ending
    return [event for event in JournalReader(run.journal_path).read() if isinstance(event, EpochFinished)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of genres")
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    fast = msgspec.structs.replace(
        preset(args.preset, str(args.data.absolute())), epochs=args.epochs, spectrograms=False
    )
    plain = msgspec.structs.replace(fast, plain=True)
    # The split keeps its own seed: the same clips are trained on.
    other = msgspec.structs.replace(plain, seed=fast.seed + 1)
    with tempfile.TemporaryDirectory() as scratch:
        curves = [curve(recipe, Path(scratch)) for recipe in (plain, fast, other)]
    print(machine())
    print("| epoch | plain | fast | | another seed | | s plain | s fast |\n|--:|--:|--:|--:|--:|--:|--:|--:|")
    for a, b, c in zip(*curves, strict=True):
        far, noise = (f"{x.train_loss / a.train_loss - 1:+.1%}" for x in (b, c))
        losses = f"{a.train_loss:.4f} | {b.train_loss:.4f} | {far} | {c.train_loss:.4f} | {noise}"
        print(f"| {a.epoch} | {losses} | {a.train_seconds:.1f} | {b.train_seconds:.1f} |")
    accuracies = ", ".join(f"{max(row.val_accuracy or 0.0 for row in rows):.1%}" for rows in curves)
    print(f"best validation accuracy: {accuracies}")


if __name__ == "__main__":
    main()
