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

from core.dataset.clip import Clip
from core.dataset.feature_set import FeatureSet
from core.dataset.features import OnFeatures
from core.dataset.load import load_features
from core.dataset.scan import survey
from core.dataset.settings import SplitSettings
from core.dataset.split import split
from core.errors import UserError
from core.training.batches import WindowReader
from core.training.begin import augmentation, begin, sampling_weights
from core.training.device import choose_device
from core.training.evaluation import Evaluation
from core.training.learner import Learner
from core.training.recipe import Recipe
from core.training.train import evaluate_model, train_epoch
from core.training.windows import random_windows


@dataclass(frozen=True)
class Round:
    """One training of a cross-validation: what it trains on, what it is measured on, its seed."""

    name: str
    seed: int
    train: list[int]
    measured: list[int]


@dataclass(frozen=True)
class Outcome:
    """``evaluation`` is of the clips ``round.measured``, in that order."""

    round: Round
    evaluation: Evaluation
    seconds: float


def random_rounds(clips: Sequence[Clip], seeds: int) -> list[Round]:
    """Stratified splits 80/10/10: trained on the eight tenths, measured on the last; the other tenth goes unused."""
    parts = [split(clips, SplitSettings(seed=seed)) for seed in range(seeds)]
    return [Round(f"seed {seed}", seed, part.train, part.test) for seed, part in enumerate(parts)]


def grouped_rounds(clips: Sequence[Clip], folds: int, groups: str | None, seed: int = 0) -> list[Round]:
    """Every clip is measured once, by a network that has heard nothing of its group (of its recording, without groups).

    Args:
        groups: a column of the clips, or ``INDEX.csv:COLUMN``.
    """
    settings = SplitSettings(protocol="grouped", groups=groups, folds=folds, seed=seed, fractions=(1.0, 0.0, 0.0))
    rounds = []
    for fold in range(folds):
        parts = split(clips, msgspec.structs.replace(settings, fold=fold))
        rounds.append(Round(f"fold {fold + 1}", seed, parts.train, parts.test))
    return rounds


def column_rounds(clips: Sequence[Clip], column: str, part: str, seeds: int, train: str = "train") -> list[Round]:
    """The split that a column gives, trained on one of its parts and measured on another, once a seed."""
    parts = split(clips, SplitSettings(protocol="column", column=column, parts=(train, "", part)))
    return [Round(f"seed {seed}", seed, parts.train, parts.test) for seed in range(seeds)]


def load(
    data: str | os.PathLike[str],
    recipe: Recipe,
    *,
    index: Path | None = None,
    on_features: OnFeatures | None = None,
) -> tuple[FeatureSet, Recipe]:
    """A dataset's features in memory, and the recipe with the front end that made them.

    Raises:
        UserError: the dataset or the device cannot be used, or the recipe does not fit the dataset.
    """
    device = choose_device(recipe.device)
    found = survey(data, index=index)
    features, _ = load_features(found, recipe.front_end, device=device, on_features=on_features)
    try:
        return features.to(device), msgspec.structs.replace(recipe, front_end=features.settings)
    except ValueError as error:
        raise UserError(f"The recipe does not fit this dataset: {error}.") from error


def cross_validate(
    recipe: Recipe,
    features: FeatureSet,
    rounds: Sequence[Round],
    on_epoch: Callable[[Round, int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Trains and measures round after round.

    Args:
        recipe: its front end is the features' own; a round's seed goes before the recipe's.
        on_epoch: called with the round, the epochs done and their number.

    Raises:
        Diverged: a loss became NaN or infinite.
        UserError: the network cannot be built.
    """
    reader = WindowReader(features, recipe.input_frames, features.device)
    for one in rounds:
        began = time.monotonic()
        learner = train_blind(
            msgspec.structs.replace(recipe, seed=one.seed),
            reader,
            torch.tensor(one.train),
            (lambda done, epochs, one=one: on_epoch(one, done, epochs)) if on_epoch else None,  # type: ignore[misc]
        )
        evaluation = evaluate_model(
            learner.judged,
            reader,
            torch.tensor(one.measured),
            crops=recipe.test_crops,
            precision=learner.precision,
        )
        yield Outcome(one, evaluation, time.monotonic() - began)


def train_blind(
    recipe: Recipe, reader: WindowReader, train: Tensor, on_epoch: Callable[[int, int], None] | None = None
) -> Learner:
    """Trains for all of the recipe's epochs without looking at any other clip.

    Args:
        train: indices of the clips, int64 [N].
        on_epoch: called with the epochs done and their number.

    Raises:
        Diverged: the loss is NaN or infinite.
        UserError: the network cannot be built.
    """
    learner = begin(recipe, reader, train)
    weights, augment = sampling_weights(reader.features.clips, train, recipe.balance), augmentation(recipe)
    place = learner.place
    while place.epoch < place.epochs:
        windows = random_windows(
            train, reader.frames, reader.width, recipe.crops_per_clip, recipe.seed, place.epoch + 1, weights
        )
        train_epoch(learner, reader.batches(windows, recipe.batch_size), _Nobody(), augment)
        learner.train_scores()
        learner.sums.zero_()
        place.epoch, place.batch, place.clips = place.epoch + 1, 0, 0
        if on_epoch:
            on_epoch(place.epoch, place.epochs)
    return learner


class _Nobody:
    """A listener that follows no training: `train_epoch` tells of batches only."""

    def batch_trained(self, learner: Learner, loss: Tensor, clips: int) -> None: ...
