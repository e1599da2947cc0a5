"""How the cost grows with the collection: seconds per clip for 250, 500, 1,000 and 2,000 clips of 30 s."""

import shutil
from collections.abc import Iterator

import torch

from benchmarks.bench import Bench
from benchmarks.clock import seconds
from benchmarks.table import Figure
from core.dataset.load import load_dataset
from core.dataset.store.feature_store import FeatureStore
from core.training.loop.init import init_train_state
from core.training.loop.loader import BatchLoader, random_windows
from core.training.loop.step import build_step
from core.training.loop.train import Callbacks, train_epoch
from core.training.presets import preset
from core.util.device import choose_device

SIZES = (250, 500, 1_000, 2_000)


def measure(bench: Bench) -> Iterator[Figure]:
    """Milliseconds per clip; the baseline is the smallest collection, so a ratio below 1 means superlinear time."""
    first: tuple[float, float, float] | None = None
    for clips in (50, 100) if bench.quick else SIZES:
        costs = _costs(bench, clips)
        first = first or costs
        for what, cost, least in zip(
            ("scan and split", "features", "an epoch of small_cnn"), costs, first, strict=True
        ):
            yield Figure(
                f"{what}, a clip of {clips:,}", cost * 1000, "ms", least * 1000, "the smallest collection", "1×"
            )


def _costs(bench: Bench, clips: int) -> tuple[float, float, float]:
    device = choose_device("auto")
    recipe = preset("quick", str(bench.collection(clips)))
    marks: list[float] = []
    shutil.rmtree(bench.scratch / "scaling", ignore_errors=True)
    shutil.rmtree(bench.scratch / "cache", ignore_errors=True)
    store = FeatureStore(recipe.front_end, bench.scratch / "scaling")

    def load() -> None:
        import time

        began = time.perf_counter()
        dataset = load_dataset(
            recipe.data,
            recipe.front_end,
            device=device,
            store=store,
            on_scanned=lambda scan, split: marks.append(time.perf_counter() - began),
        )
        features.append(dataset.features.to(device))

    features: list = []  # type: ignore[type-arg]
    whole = seconds(load)
    loader = BatchLoader(features[0], recipe.input_frames, device)
    train = torch.arange(clips)
    train_state = init_train_state(recipe, loader, train)
    step = build_step(train_state)

    def epoch() -> None:
        windows = random_windows(train, loader.excerpts, loader.frames, loader.width, 1, recipe.seed, 1)
        train_epoch(step, loader.batches(windows, recipe.batch_size), Callbacks())
        train_state.train_metrics()

    epoch()
    return marks[0] / clips, (whole - marks[0]) / clips, seconds(epoch) / clips
