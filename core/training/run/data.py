"""What a run trains on: spectrograms on the device, divided once and for all."""

import csv
import io
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.dataset.load import load_dataset
from core.dataset.scan import Scan
from core.dataset.split import PARTS, Split
from core.dataset.store.feature_set import FeatureSet
from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import DatasetScanned, ExcludedClip, FeaturesProgress, Warned
from core.training.recipe import Recipe
from core.training.run.callbacks import Throttle, Timer
from core.training.run.control import ControlHandler
from core.training.run.event_logger import EventLogger
from core.training.training_set import provenance
from core.util.atomic import write_atomic
from core.util.errors import UserError

SPLIT = "split.csv"
"""In the run folder: part, genre, name and content hash of every clip."""


@dataclass(frozen=True)
class TrainData:
    features: FeatureSet
    train: Tensor
    """Indices into ``features``, int64 on the CPU; likewise the other two."""
    valid: Tensor
    test: Tensor
    provenance: dict[str, Any]
    """The dataset as plain values, for the model file; see `core.training.training_set`."""

    def on(self, device: torch.device) -> "TrainData":
        """The same with its spectrograms in the device's memory, or still on disk where there is no room for them."""
        return replace(self, features=self.features.to(device))


def prepare(
    run: RunFolder,
    recipe: Recipe,
    device: torch.device,
    logger: EventLogger,
    requests: ControlHandler,
    *,
    resuming: bool,
) -> TrainData:
    """Scans, divides and computes what the feature store lacks; writes split.csv, or holds a resumed run to it.

    The spectrograms are left on disk; ``device`` computes what is missing.

    Raises:
        UserError: the dataset cannot be trained on, or is no longer the one that the run began with.
        StopRequested: somebody asked for it.
    """
    pace = Throttle()
    watch = Timer(lambda: requests.paused_seconds)

    def on_scanned(scan: Scan, split: Split) -> None:
        logger.emit(_scanned(scan, split))
        watch.start()

    def on_features(done: int, total: int, cached: int) -> None:
        if pace.due() or done == total:
            rate = (done - cached) / watch.seconds
            logger.emit(FeaturesProgress(done=done, total=total, cached=cached, clips_per_second=rate))
        requests.check()

    path = run.path / SPLIT
    divided = resuming and path.exists()
    loaded = load_dataset(
        recipe.data,
        recipe.front_end,
        recipe.split,
        divide=partial(_as_before, path=path, logger=logger) if divided else None,
        device=device,
        on_scanning=lambda done, total: requests.check(),
        on_scanned=on_scanned,
        on_features=on_features,
    )
    split = loaded.split
    if not divided:
        write_atomic(path, _split_csv(loaded.features.clips, split))
    if not split.valid:
        raise UserError(
            "The split leaves no clips for validation, by which the best weights are chosen: name a part for it, "
            "or give it a fraction above 0."
        )
    train, valid, test = (torch.tensor(part, dtype=torch.int64) for part in (split.train, split.valid, split.test))
    origin = provenance(dataset_name(Path(recipe.data)), recipe.data, loaded.features.clips, split)
    return TrainData(loaded.features, train, valid, test, origin)


def _scanned(scan: Scan, split: Split) -> DatasetScanned:
    return DatasetScanned(
        genres=scan.genres,
        clips={genre: sum(clip.genre == genre for clip in scan.clips) for genre in scan.genres},
        parts={name: len(indices) for name, indices in split.parts().items()},
        hours=scan.hours,
        excluded=[ExcludedClip(path=item.path, reason=item.reason) for item in scan.excluded],
    )


def _split_csv(clips: list[Clip], split: Split) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["part", "genre", "name", "content"])
    for part, indices in split.parts().items():
        writer.writerows([part, clips[i].genre, clips[i].name, clips[i].content] for i in indices)
    return text.getvalue().encode()


def _as_before(clips: list[Clip], path: Path, logger: EventLogger) -> Split:
    """The split that the run began with, of the clips as they are numbered now."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    places = {(clip.genre, clip.name, clip.content): i for i, clip in enumerate(clips)}
    wanted = [(row["genre"], row["name"], row["content"]) for row in rows]
    missing = [key for key in wanted if key not in places]
    if missing or {genre for genre, _, _ in wanted} != {clip.genre for clip in clips}:
        example = f", {missing[0][0]}/{missing[0][1]} for one" if missing else ""
        raise UserError(
            f"The dataset is no longer the one that this run began with ({len(missing)} of its {len(rows)} clips are "
            f"gone or changed{example}): put it back, or start a new run."
        )
    if surplus := len(clips) - len(rows):
        logger.emit(Warned(message=f"{surplus} clips came to the dataset after the run began; they take no part"))
    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for row, key in zip(rows, wanted, strict=True):
        parts[row["part"]].append(places[key])
    return Split(**{name: sorted(indices) for name, indices in parts.items()})
