"""What the benchmarks of one run share: the machine's device, a scratch folder, and clips to work on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import soundfile

from benchmarks.table import Figure
from core.dataset.synthetic import make_demo
from core.inference.find_model import default_model
from core.runs.directory import create
from core.training.presets import preset
from core.training.recipe import to_dict
from core.training.run.trainer import run_trainer

MINI = Path(__file__).resolve().parents[2] / "shared/data/gtzan-mini/genres"
RATE = 22_050
SECONDS = 30.0


@dataclass(frozen=True)
class Bench:
    scratch: Path
    quick: bool
    """Fewer clips and fewer turns: minutes become seconds, and figures rougher."""

    @cached_property
    def music(self) -> Path:
        """A folder of genres: real music where it lies beside the checkout, else the synthetic dataset."""
        return MINI if MINI.is_dir() else make_demo(self.scratch / "demo")

    def collection(self, clips: int) -> Path:
        """A folder of genres with so many clips of 30 s as the GTZAN collection has them: .au, 16 bit, 22,050 Hz.

        Each is spliced from random stretches of its genre's music; no two are alike. For speed, never for accuracy.
        """
        out = self.scratch / f"collection-{clips}"
        if out.is_dir():
            return out
        rng = np.random.default_rng(20)
        folders = sorted(folder for folder in self.music.iterdir() if folder.is_dir())
        for number, folder in enumerate(folders):
            sources = [soundfile.read(file, dtype="int16")[0] for file in sorted(folder.glob("*.[aw][ua]*"))]
            (out / folder.name).mkdir(parents=True)
            for clip in range(number, clips, len(folders)):
                pieces: list[np.ndarray] = []
                while sum(map(len, pieces)) < RATE * SECONDS:
                    source = sources[rng.integers(len(sources))]
                    start = int(rng.integers(0, max(1, len(source) - 3 * RATE)))
                    pieces.append(source[start : start + int(rng.integers(3, 8)) * RATE])
                y = np.concatenate(pieces)[: int(RATE * SECONDS)]
                path = out / folder.name / f"{folder.name}.{clip:05d}.au"
                soundfile.write(path, y, RATE, format="AU", subtype="PCM_16", endian="BIG")
        return out

    @cached_property
    def model(self) -> Path:
        """The model that ships, or one trained here for two epochs: for speed it makes no difference what it knows."""
        if shipped := default_model():
            return shipped
        recipe = msgspec.structs.replace(preset("quick", str(self.music)), epochs=2, spectrograms=False)
        run = create(self.scratch / "model", to_dict(recipe), "bench", recipe.model)
        run_trainer(run.path)
        return run.best_model_path

    def files(self, clips: int) -> list[Path]:
        return sorted(self.collection(clips).rglob("*.au"))


Benchmark = Callable[[Bench], Iterator[Figure]]
