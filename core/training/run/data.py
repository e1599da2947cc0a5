"""Preparing the data of a run: spectrograms on the device, and a split that never changes."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from core.dataset.load import load_dataset
from core.dataset.scan import Scan
from core.dataset.split import Split
from core.dataset.store.feature_set import FeatureSet
from core.models.encoders.embeddings import with_embeddings
from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import DatasetScanned, ExcludedClip, FeaturesProgress, Warned
from core.training.checkpoint import TrainingSet, training_set
from core.training.recipe import Recipe
from core.training.run.callbacks import Throttle, Timer
from core.training.run.control import ControlHandler
from core.training.run.event_logger import Logger
from core.training.run.phases import PhaseTimer
from core.training.run.split_file import SPLIT, first_split, read_split, split_csv
from core.training.run.write_guard import WriteGuard
from core.util.atomic import write_atomic
from core.util.errors import UserError
from core.util.text import counted


@dataclass(frozen=True)
class TrainData:
    features: FeatureSet
    train: Tensor
    """Indices into ``features``, int64 on the CPU; likewise the other two."""
    valid: Tensor
    test: Tensor
    training_set: TrainingSet
    """The training set for the model file."""

    def on(self, device: torch.device) -> "TrainData":
        """The same with spectrograms in the device's memory, or still on disk if they do not fit."""
        return replace(self, features=self.features.to(device))


def prepare_data(
    run: RunFolder,
    recipe: Recipe,
    device: torch.device,
    logger: Logger,
    control: ControlHandler,
    guard: WriteGuard,
    phases: PhaseTimer,
    *,
    resuming: bool,
) -> TrainData:
    """Scan and split the dataset and compute missing features; writes split.csv, or uses that of a resumed run.

    Spectrograms stay on disk; ``device`` computes missing ones.

    Args:
        resuming: whether the run has a split already, which must exist then.

    Raises:
        UserError: the dataset cannot be trained on, or is no longer the one that the run started with.
        StopRequested: a stop was requested.
    """
    throttle = Throttle()
    timer = Timer(lambda: control.paused_seconds)

    sources: list[str] = []

    def on_scanned(scan: Scan, split: Split) -> None:
        sources[:] = [f"{scan.labels.source} {scan.labels.digest}".strip()]
        logger.emit(_scanned(scan, split))
        phases.begin("features")
        timer.start()

    def on_features(done: int, total: int, cached: int) -> None:
        if throttle.due() or done == total:
            rate = (done - cached) / timer.seconds
            logger.emit(FeaturesProgress(done=done, total=total, cached=cached, clips_per_second=rate))
        control.check()

    def on_note(note: str) -> None:
        logger.emit(Warned(message=note))

    loaded = load_dataset(
        recipe.data,
        recipe.front_end,
        recipe.split,
        labels=recipe.labels,
        excerpts=recipe.excerpts,
        divide=partial(first_split, rows=read_split(run.path / SPLIT), on_note=on_note) if resuming else None,
        device=device,
        on_scanning=lambda done, total: control.check(),
        on_scanned=on_scanned,
        on_features=on_features,
        on_note=on_note,
    )
    features = loaded.features
    if recipe.encoder is not None:
        timer.start()
        features = with_embeddings(
            features,
            recipe.data,
            recipe.encoder,
            recipe.excerpts,
            device=device,
            on_progress=on_features,
            on_note=on_note,
        )
    clips, split = features.clips, loaded.split
    if not split.valid:
        raise UserError(
            "The split leaves no clips for validation, which chooses the best weights: name a part for it, or give "
            "it a fraction above 0."
        )
    genres = {clips[i].genre for i in split.train}
    if len(genres) < 2:
        raise UserError(
            f"Only {counted(len(genres), 'genre')} can be trained on"
            f"{' (' + ', '.join(genres) + ')' if genres else ''}, because the other clips are left out: see the log "
            "for the reasons, and add clips of another genre."
        )
    text = split_csv(clips, split, sources[0])
    if not resuming and not guard.attempt(SPLIT, lambda: write_atomic(run.path / SPLIT, text), patiently=True):
        raise UserError(
            f"{SPLIT} cannot be written, and the run could not be resumed without it: make room on the disk."
        )
    train, valid, test = (torch.tensor(part, dtype=torch.int64) for part in (split.train, split.valid, split.test))
    origin = training_set(dataset_name(Path(recipe.data)), recipe.data, clips, split)
    return TrainData(features, train, valid, test, origin)


def _scanned(scan: Scan, split: Split) -> DatasetScanned:
    return DatasetScanned(
        genres=scan.genres,
        clips={genre: sum(clip.genre == genre for clip in scan.clips) for genre in scan.genres},
        parts={name: len(indices) for name, indices in split.parts().items()},
        labels=scan.label_source,
        hours=scan.hours,
        excluded=[ExcludedClip(path=item.path, reason=item.reason) for item in scan.excluded],
    ).shortened()
