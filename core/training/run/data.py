"""What a run trains on: spectrograms on the device, split once and for all."""

import csv
import io
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.dataset.load import load_dataset
from core.dataset.scan import Scan
from core.dataset.split import PARTS, Split
from core.dataset.store.feature_set import FeatureSet
from core.models.encoders.embeddings import with_embeddings
from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import DatasetScanned, ExcludedClip, FeaturesProgress, Warned
from core.training.recipe import Recipe
from core.training.run.callbacks import Throttle, Timer
from core.training.run.control import ControlHandler
from core.training.run.event_logger import Logger
from core.training.run.phases import PhaseTimer
from core.training.run.write_guard import WriteGuard
from core.training.training_set import TrainingSet, training_set
from core.util.atomic import write_atomic
from core.util.errors import UserError

SPLIT = "split.csv"
"""In the run folder: part, genre, name and content hash of every clip."""
COLUMNS = ("part", "genre", "name", "content")
LABELS = "labels"
"""The column with the label source and its hash; runs of version 0.1 have none."""


@dataclass(frozen=True)
class TrainData:
    features: FeatureSet
    train: Tensor
    """Indices into ``features``, int64 on the CPU; likewise the other two."""
    valid: Tensor
    test: Tensor
    training_set: TrainingSet
    """For the model file."""

    def on(self, device: torch.device) -> "TrainData":
        """The same with its spectrograms in the device's memory, or still on disk where they do not fit."""
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
    """Scans and splits the dataset and computes missing features; writes split.csv, or holds a resumed run to it.

    The spectrograms are left on disk; ``device`` computes the missing ones.

    Args:
        resuming: whether the run has a split already, which then must be there.

    Raises:
        UserError: the dataset cannot be trained on, or is no longer the one that the run began with.
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
        divide=partial(_first_split, rows=_read_split(run.path / SPLIT), logger=logger) if resuming else None,
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
            f"Only {len(genres)} genre{'' if len(genres) == 1 else 's'} can be trained on"
            f"{' (' + ', '.join(genres) + ')' if genres else ''}, because the other clips are left out: see the log "
            "for the reasons, and add clips of another genre."
        )
    text = _split_csv(clips, split, sources[0])
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


def _split_csv(clips: list[Clip], split: Split, labels: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, LABELS])
    for part, indices in split.parts().items():
        writer.writerows([part, clips[i].genre, clips[i].name, clips[i].content, labels] for i in indices)
    return text.getvalue().encode("utf-8", "surrogateescape")  # file names need not be UTF-8


def _read_split(path: Path) -> list[dict[str, str]]:
    """
    Raises:
        UserError: the file is missing or damaged.
    """
    hint = "put back the file, or start a new run"
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise UserError(
            f"{path}, the split that this run began with, cannot be read ({error.strerror}): {hint}."
        ) from None
    except csv.Error as error:
        raise UserError(f"{path}, the split that this run began with, is damaged ({error}): {hint}.") from error
    if not rows or any(
        row.get("part") not in PARTS or set(row) - {LABELS} != set(COLUMNS) or None in row.values() for row in rows
    ):
        raise UserError(f"{path}, the split that this run began with, is damaged: {hint}.")
    return rows


def _check_labels(clips: list[Clip], missing: list[tuple[str, str, str]]) -> None:
    """
    Raises:
        UserError: clips that are missing are there under another genre.
    """
    by_content: dict[str, set[str]] = {}
    for clip in clips:
        by_content.setdefault(clip.content, set()).add(clip.genre)
    changed = [(key, by_content[key[2]]) for key in missing if by_content.get(key[2], set()) - {key[0]}]
    if changed:
        (genre, name, _), now = changed[0]
        raise UserError(
            f"The labels are no longer those that this run began with: {name} was {genre} and is now "
            f"{' and '.join(sorted(now))}, the first of {len(changed):,}; put back the labels, or start a new run."
        )


def _first_split(clips: list[Clip], rows: list[dict[str, str]], logger: Logger) -> Split:
    """The split that the run began with, as indices into ``clips``."""
    indices = {(clip.genre, clip.name, clip.content): i for i, clip in enumerate(clips)}
    # A name may have got longer, because another file of that name was added.
    renamed = {(clip.genre, clip.content): i for i, clip in enumerate(clips)}
    for row in rows:
        genre, content = row["genre"], row["content"]
        if (genre, content) in renamed:
            indices.setdefault((genre, row["name"], content), renamed[genre, content])
    wanted = [(row["genre"], row["name"], row["content"]) for row in rows]
    missing = [key for key in wanted if key not in indices]
    if missing:
        _check_labels(clips, missing)
    if missing or {genre for genre, _, _ in wanted} != {clip.genre for clip in clips}:
        example = f", {missing[0][0]}/{missing[0][1]} for one" if missing else ""
        raise UserError(
            f"The dataset is no longer the one that this run began with ({len(missing)} of its {len(rows)} clips are "
            f"gone or changed{example}): put it back, or start a new run."
        )
    if surplus := len(clips) - len(rows):
        came = "1 clip was" if surplus == 1 else f"{surplus} clips were"
        logger.emit(Warned(message=f"{came} added to the dataset after the run began, and not used"))
    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for row, key in zip(rows, wanted, strict=True):
        parts[row["part"]].append(indices[key])
    train, valid, test = (sorted(parts[name]) for name in PARTS)
    return Split(train, valid, test)
