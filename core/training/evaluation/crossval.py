"""Cross-validation: the same recipe trained anew on several divisions of a dataset, each measured on what it never saw.

Nothing is chosen by the clips that are measured: every training goes through all of its epochs, and its last weights
count. Three protocols: random stratified splits over several seeds; folds by group, so that no artist stands on both
sides; a published split, over several training seeds.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from core.dataset.clip import Clip, Excluded
from core.dataset.load import load_features
from core.dataset.scan import OnProgress, scan
from core.dataset.split import column_values, split, union_find
from core.dataset.split_settings import SplitSettings
from core.dataset.store.extract import OnFeatures
from core.dataset.store.feature_set import FeatureSet
from core.training.loop.evaluation import Evaluation
from core.training.loop.init import augmentation, begin, sampling_weights
from core.training.loop.loader import BatchLoader
from core.training.loop.sampler import random_windows
from core.training.loop.step import step_of
from core.training.loop.train import evaluate_model, train_epoch
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.util.device import choose_device
from core.util.errors import UserError


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation: what it trains on, what it is measured on, its seed."""

    name: str
    seed: int
    train: list[int]
    measured: list[int]


@dataclass(frozen=True)
class FoldResult:
    """``evaluation`` is of the clips ``round.measured``, in that order."""

    round: Fold
    evaluation: Evaluation
    seconds: float


def random_rounds(clips: Sequence[Clip], seeds: int) -> list[Fold]:
    """Stratified splits 80/10/10: trained on the eight tenths, measured on the last; the other tenth goes unused."""
    parts = [split(clips, SplitSettings(seed=seed)) for seed in range(seeds)]
    return [Fold(f"seed {seed}", seed, part.train, part.test) for seed, part in enumerate(parts)]


def grouped_rounds(clips: Sequence[Clip], folds: int, groups: str | None, seed: int = 0) -> list[Fold]:
    """Every clip is measured once, by a network that has heard nothing of its group (of its recording, without groups).

    Args:
        groups: a column of the clips, or ``INDEX.csv:COLUMN``.

    Raises:
        UserError: there is no such column, there are too few groups, or a fold leaves one genre to train on.
    """
    settings = SplitSettings(protocol="grouped", groups=groups, folds=folds, seed=seed, fractions=(1.0, 0.0, 0.0))
    rounds = []
    for fold in range(folds):
        parts = split(clips, msgspec.structs.replace(settings, fold=fold))
        _check_genres(clips, parts.train, f"what fold {fold + 1} leaves to train on")
        rounds.append(Fold(f"fold {fold + 1}", seed, parts.train, parts.test))
    return rounds


def groups_of(clips: Sequence[Clip], groups: str) -> list[int]:
    """A number for each clip, equal for those that `grouped_rounds` keeps together: one group, or copies of one clip.

    Args:
        groups: a column of the clips, or ``INDEX.csv:COLUMN``; a clip without a value there is a group of its own.
    """
    named = zip(clips, column_values(clips, groups), strict=True)
    return union_find(
        [
            [
                ("content", clip.content),
                ("copies", clip.group) if clip.group else None,
                ("name", name) if name else None,
            ]
            for clip, name in named
        ]
    )


def column_rounds(clips: Sequence[Clip], column: str, part: str, seeds: int, train: str = "train") -> list[Fold]:
    """The split that a column gives, trained on one of its parts and measured on another, once a seed.

    Raises:
        UserError: there is no such column or part, both are one, or all clips to train on are of one genre.
    """
    if part == train:
        raise UserError(f"A training on {train!r} cannot be measured on {part!r} as well: name two different parts.")
    parts = split(clips, SplitSettings(protocol="column", column=column, parts=(train, "", part)))
    _check_genres(clips, parts.train, f"{train!r} in the column {column!r}")
    return [Fold(f"seed {seed}", seed, parts.train, parts.test) for seed in range(seeds)]


def _check_genres(clips: Sequence[Clip], train: list[int], what: str) -> None:
    genres = {clips[i].genre for i in train}
    if len(genres) < 2:
        raise UserError(
            f"A classifier needs clips of two genres or more, and {what} is all of {', '.join(genres)}: choose another "
            "division."
        )


def load(
    data: str | os.PathLike[str],
    recipe: Recipe,
    *,
    index: Path | None = None,
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_excluded: Callable[[Excluded], None] | None = None,
) -> tuple[FeatureSet, Recipe]:
    """A dataset's features in memory, and the recipe with the front end that made them.

    Args:
        on_scanning, on_features: see `core.dataset.load.load_dataset`.
        on_excluded: called with every file that is left out, and why.

    Raises:
        UserError: the dataset or the device cannot be used, it holds a single genre, or the recipe does not fit it.
    """
    device = choose_device(recipe.device)
    found = scan(data, index=index, on_progress=on_scanning)
    features, failed = load_features(found, recipe.front_end, device=device, on_features=on_features)
    if on_excluded:
        for one in found.excluded + failed:
            on_excluded(one)
    if len(features.genres) < 2:
        raise UserError(f"Fewer than two genres have clips that can be used ({failed[0].reason}): give more clips.")
    try:
        return features.to(device), msgspec.structs.replace(recipe, front_end=features.settings)
    except ValueError as error:
        raise UserError(f"The recipe does not fit this dataset: {error}.") from error


def cross_validate(
    recipe: Recipe,
    features: FeatureSet,
    rounds: Sequence[Fold],
    on_epoch: Callable[[Fold, int, int], None] | None = None,
) -> Iterator[FoldResult]:
    """Trains and measures round after round.

    Args:
        recipe: its front end is the features' own; a round's seed goes before the recipe's.
        on_epoch: called with the round, the epochs done and their number.

    Raises:
        Diverged: a loss became NaN or infinite.
        UserError: the network cannot be built.
    """
    reader = BatchLoader(features, recipe.input_frames, features.device)
    for one in rounds:
        began = time.monotonic()
        train_state = train_blind(
            msgspec.structs.replace(recipe, seed=one.seed),
            reader,
            torch.tensor(one.train),
            (lambda done, epochs, one=one: on_epoch(one, done, epochs)) if on_epoch else None,  # type: ignore[misc]
        )
        evaluation = evaluate_model(
            train_state.judged,
            reader,
            torch.tensor(one.measured),
            crops=recipe.test_crops,
            precision=train_state.precision,
        )
        yield FoldResult(one, evaluation, time.monotonic() - began)


def train_blind(
    recipe: Recipe, reader: BatchLoader, train: Tensor, on_epoch: Callable[[int, int], None] | None = None
) -> TrainState:
    """Trains for all of the recipe's epochs without looking at any other clip.

    Args:
        train: indices of the clips, int64 [N].
        on_epoch: called with the epochs done and their number.

    Raises:
        Diverged: the loss is NaN or infinite.
        UserError: the network cannot be built.
    """
    train_state = begin(recipe, reader, train)
    weights = sampling_weights(reader.features.clips, train, recipe.balance)
    step = step_of(train_state, augmentation(recipe))
    place = train_state.place
    while place.epoch < place.epochs:
        windows = random_windows(
            train, reader.frames, reader.width, recipe.crops_per_clip, recipe.seed, place.epoch + 1, weights
        )
        train_epoch(step, reader.batches(windows, recipe.batch_size), _Nobody())
        train_state.train_scores()
        train_state.sums.zero_()
        place.epoch, place.batch, place.clips = place.epoch + 1, 0, 0
        if on_epoch:
            on_epoch(place.epoch, place.epochs)
    return train_state


class _Nobody:
    """A listener that follows no training: `train_epoch` tells of batches only."""

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None: ...
