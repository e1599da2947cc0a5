"""Cross-validation: training a recipe on several splits of a dataset and evaluating each on its unseen clips.

Nothing is selected by the test clips: training runs for all epochs, and the last weights are evaluated. There are three
protocols: random stratified splits with several seeds; folds by group, so that no artist is in both parts; and a
published split with several training seeds.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from core.dataset.clip import Clip, Excluded, OnNote, OnProgress, searched_seconds
from core.dataset.load import load_features
from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.dataset.split import column_values, split, union_find
from core.dataset.store.extract import OnFeatures
from core.dataset.store.feature_set import FeatureSet
from core.models.encoders.embeddings import with_embeddings
from core.training.checkpoint import EpochMetrics
from core.training.evaluation.baseline import Baseline, baseline
from core.training.loop.adapt import choose_windows
from core.training.loop.evaluation import Evaluation
from core.training.loop.init import augmentation, init_train_state, sampling_weights
from core.training.loop.loader import BatchLoader
from core.training.loop.train import Callbacks, evaluate_model, train_model
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.util.device import choose_device
from core.util.errors import UserError


@dataclass(frozen=True)
class Fold:
    """A fold: indices of its training and test clips, and its seed."""

    name: str
    seed: int
    train: list[int]
    test: list[int]


@dataclass(frozen=True)
class FoldResult:
    """The result of a fold; ``evaluation`` is for the clips ``fold.test``, in that order."""

    fold: Fold
    recipe: Recipe
    """As trained, with the windows that were chosen."""
    evaluation: Evaluation
    baseline: Baseline
    seconds: float


def random_folds(clips: Sequence[Clip], seeds: int) -> list[Fold]:
    """Stratified 80/10/10 splits: train on 80%, evaluate on the last 10%; the other 10% are not used."""
    parts = [split(clips, SplitSettings(seed=seed)) for seed in range(seeds)]
    return [Fold(f"seed {seed}", seed, part.train, part.test) for seed, part in enumerate(parts)]


def grouped_folds(clips: Sequence[Clip], folds: int, groups: str | None, seed: int = 0) -> list[Fold]:
    """Folds in which every clip is tested once, by a network not trained on its group (or recording, without groups).

    Args:
        groups: a column of the clips, or ``INDEX.csv:COLUMN``.

    Raises:
        UserError: the column does not exist, there are too few groups, or a fold leaves one genre to train on.
    """
    settings = SplitSettings(protocol="grouped", groups=groups, folds=folds, seed=seed, fractions=(1.0, 0.0, 0.0))
    result = []
    for fold in range(folds):
        parts = split(clips, msgspec.structs.replace(settings, fold=fold))
        _check_genres(clips, parts.train, f"what fold {fold + 1} leaves to train on")
        result.append(Fold(f"fold {fold + 1}", seed, parts.train, parts.test))
    return result


def groups_of(clips: Sequence[Clip], groups: str) -> list[int]:
    """A number per clip, which is equal for clips of one group and copies of one clip, as in `grouped_folds`.

    Args:
        groups: a column of the clips, or ``INDEX.csv:COLUMN``; a clip without a value is a group of its own.
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


def column_folds(clips: Sequence[Clip], column: str, part: str, seeds: int, train: str = "train") -> list[Fold]:
    """The split from a column, with training on one part and evaluation on another, once per seed.

    Raises:
        UserError: the column or part does not exist, both parts are the same, or all training clips have one genre.
    """
    if part == train:
        raise UserError(
            f"A model trained on {train!r} cannot be evaluated on {part!r} as well: name two different parts."
        )
    parts = split(clips, SplitSettings(protocol="column", column=column, parts=(train, "", part)))
    _check_genres(clips, parts.train, f"{train!r} in the column {column!r}")
    return [Fold(f"seed {seed}", seed, parts.train, parts.test) for seed in range(seeds)]


def _check_genres(clips: Sequence[Clip], train: list[int], what: str) -> None:
    genres = {clips[i].genre for i in train}
    if len(genres) < 2:
        raise UserError(
            f"A classifier needs clips of two genres or more, and {what} is all of {', '.join(genres)}: choose another "
            "split."
        )


def load(
    data: str | os.PathLike[str],
    recipe: Recipe,
    *,
    index: Path | None = None,
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_excluded: Callable[[Excluded], None] | None = None,
    on_note: OnNote | None = None,
) -> tuple[FeatureSet, Recipe]:
    """Load a dataset's features to memory; returns them and the recipe with their front end.

    Args:
        on_scanning, on_features: see `core.dataset.load.load_dataset`.
        on_excluded: called with every file that is left out, and the reason.
        on_note: called with the label source, and what else a user should know about the labels.

    Raises:
        UserError: the dataset or the device cannot be used, it has only one genre, or the recipe does not suit it.
    """
    device = choose_device(recipe.device)
    seconds = searched_seconds(recipe.front_end.seconds, recipe.excerpts)
    found = scan(data, labels=recipe.labels, index=index, seconds=seconds, on_progress=on_scanning)
    if on_note:
        for note in [found.label_source, *found.notes]:
            on_note(note)
    features, failed = load_features(
        found, recipe.front_end, excerpts=recipe.excerpts, device=device, on_features=on_features
    )
    if on_excluded:
        for one in found.excluded + failed:
            on_excluded(one)
    if len(features.genres) < 2:
        raise UserError(f"Fewer than two genres have clips that can be used ({failed[0].reason}): give more clips.")
    if recipe.encoder is not None:
        features = with_embeddings(
            features, data, recipe.encoder, recipe.excerpts, device=device, on_progress=on_features, on_note=on_note
        )
    try:
        return features.to(device), msgspec.structs.replace(recipe, front_end=features.settings)
    except ValueError as error:
        raise UserError(f"The recipe does not suit this dataset: {error}.") from error


def cross_validate(
    recipe: Recipe,
    features: FeatureSet,
    folds: Sequence[Fold],
    on_epoch: Callable[[Fold, int, int], None] | None = None,
) -> Iterator[FoldResult]:
    """Train and evaluate each fold in turn.

    Args:
        recipe: its front end must be that of the features; the fold's seed replaces the recipe's.
        on_epoch: called with the fold, the completed epochs and their total.

    Raises:
        Diverged: a loss became NaN or infinite.
        UserError: the network cannot be built.
    """
    for fold in folds:
        began = time.monotonic()
        report = partial(on_epoch, fold) if on_epoch else None
        train_state = train_all_epochs(
            msgspec.structs.replace(recipe, seed=fold.seed), features, torch.tensor(fold.train), report
        )
        evaluation = evaluate_model(
            train_state.eval_model,
            BatchLoader(features, train_state.recipe.input_frames, features.device),
            torch.tensor(fold.test),
            crops=train_state.recipe.test_crops,
            precision=train_state.precision,
        )
        seconds = time.monotonic() - began
        to_beat = baseline(features, torch.tensor(fold.train), torch.tensor(fold.test))
        yield FoldResult(fold, train_state.recipe, evaluation, to_beat, seconds)


def train_all_epochs(
    recipe: Recipe, features: FeatureSet, train: Tensor, on_epoch: Callable[[int, int], None] | None = None
) -> TrainState:
    """Train for all of the recipe's epochs without validation, on the device of the features.

    Args:
        train: indices of the clips, int64 [N].
        on_epoch: called with the completed epochs and their total.

    Raises:
        Diverged: the loss is NaN or infinite.
        UserError: the network cannot be built.
    """
    recipe, fitted = choose_windows(recipe, features, train, features.device)
    loader = BatchLoader(features, recipe.input_frames, features.device)
    train_state = init_train_state(recipe, loader, train, fitted=fitted)
    weights = sampling_weights(loader.features.clips, train, recipe.balance)
    train_model(train_state, loader, train, None, _EpochCallback(on_epoch), augmentation(recipe), weights)
    return train_state


class _EpochCallback(Callbacks):
    def __init__(self, on_epoch: Callable[[int, int], None] | None) -> None:
        self._on_epoch = on_epoch

    def epoch_finished(self, train_state: TrainState, metrics: EpochMetrics, validation: Evaluation | None) -> None:
        if self._on_epoch:
            self._on_epoch(metrics.epoch, train_state.progress.epochs)
