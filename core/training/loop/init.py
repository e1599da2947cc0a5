"""Creating a train state: building the network, and setting what follows from the training set."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.dataset.metadata import column_list
from core.features.augment import make_augment
from core.models.layers.normalisation import fit_standardisation, init_batch_norm_stats
from core.training.checkpoint import build_network
from core.training.distributed import SINGLE, ProcessGroup
from core.training.loop.adapt import FittedExperts, build_device, fit_experts
from core.training.loop.loader import BatchLoader, batch_bounds, random_windows
from core.training.loop.precision import choose_precision, make_deterministic
from core.training.loop.step import Augmentation
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.util.errors import UserError
from core.util.text import printable

STANDARDISE_WINDOWS = 256
"""Windows of the training set to which standardisation is fitted."""
PRESETS_BALANCE = {"artist"}
"""Columns by which presets balance if the dataset has them."""


def init_train_state(
    recipe: Recipe,
    loader: BatchLoader,
    train: Tensor,
    group: ProcessGroup = SINGLE,
    fitted: FittedExperts | None = None,
) -> TrainState:
    """A train state with a network initialised from the recipe's seed, on the loader's device.

    Args:
        train: indices of the training clips in the loader's feature set, int64 [N].
        group: the processes that share every batch; all start with the same weights.
        fitted: the network's experts from `choose_windows`, which then need not be fitted again.

    Raises:
        UserError: the network or one of its options does not exist, it cannot train on batches of one, or a batch is
            too small for the number of processes.
    """
    make_deterministic(recipe, loader.device)
    genres = len(loader.features.genres)
    device = build_device(loader.device, group)
    with device:
        model = build_network(recipe, genres)
    if recipe.batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
        raise UserError(f"{recipe.model} cannot train on batches of one clip: choose a batch size of 2 or more.")
    windows = random_windows(train, loader.excerpts, loader.frames, loader.width, 1, recipe.seed, epoch=0)
    fit_standardisation(model, loader.read(windows.part(0, STANDARDISE_WINDOWS)).mel_BMT.to(device))
    init_batch_norm_stats(model, loader.read(windows.part(0, max(2, recipe.batch_size))).mel_BMT.to(device))
    held = fit_experts(model, recipe, loader.features, train, device, fitted)
    bounds = batch_bounds(len(train) * recipe.crops_of_each(len(train)), recipe.batch_size)
    smallest = min(last - first for first, last in bounds)
    if smallest < group.info.size:
        raise UserError(
            f"A batch of {smallest} is too small for {group.info.size} processes: choose a larger batch size."
        )
    precision = choose_precision(recipe, loader.device)
    return TrainState(model, recipe, precision, genres=genres, batches=len(bounds), group=group, held=held)


def augmentation(recipe: Recipe) -> Augmentation | None:
    """The recipe's augmentation of training batches; None if it has none."""
    return make_augment(recipe.augmentation, recipe.front_end)


def sampling_weights(clips: Sequence[Clip], train: Tensor, column: str | None) -> Tensor | None:
    """Relative frequencies of the training clips from the recipe's ``balance``, [N]; None for equal ones.

    A clip of a group, such as an artist, with n clips in its genre has weight 1 / √n; all genres have equal weight.

    Raises:
        UserError: no clip has the column, and it is not one of `PRESETS_BALANCE`.
    """
    if column is None:
        return None
    if column not in PRESETS_BALANCE and not any(column in clip.columns for clip in clips):
        known = sorted({name for clip in clips for name in clip.columns})
        choice = f"name one of {column_list(known)}" if known else "its labels come from no table with columns"
        raise UserError(f"The clips have no column {printable(column)!r} to balance by: {choice}.")
    chosen = [clips[i] for i in train.tolist()]
    keys = [(clip.genre, clip.columns.get(column) or clip.content) for clip in chosen]
    sizes = Counter(keys)
    weight_N = torch.tensor([sizes[key] for key in keys], dtype=torch.float64).rsqrt()
    totals: dict[str, float] = {}
    for clip, weight in zip(chosen, weight_N.tolist(), strict=True):
        totals[clip.genre] = totals.get(clip.genre, 0.0) + weight
    return weight_N / torch.tensor([totals[clip.genre] for clip in chosen])
