"""A train_state at the beginning: its network built, and fitted to the training set where that takes no training."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.features.augment import Augment
from core.features.augment_effects import effects_of
from core.features.settings import AugmentationSettings
from core.models.layers.batch_norm import init_batch_norm_stats
from core.models.layers.standardise import fit_standardisation
from core.models.networks.lda_expert import ClipWindows, fit_experts
from core.training.checkpoint import network_of
from core.training.distributed.group import ALONE, ProcessGroup
from core.training.loop.loader import BatchLoader
from core.training.loop.precision import choose_precision, make_deterministic
from core.training.loop.sampler import batch_bounds, random_windows, spaced_windows
from core.training.loop.step import Augmentation
from core.training.loop.train_state import TrainState
from core.training.presets import PRESETS
from core.training.recipe import Recipe
from core.util.errors import UserError

STANDARDISE_WINDOWS = 256
"""Windows of the training set that the network's standardisation is fitted to."""
EXPERT_WINDOWS = 8
"""Windows of each training clip that a discriminant is fitted to."""
EXPERT_CLIPS = 3_000
"""Training clips that it is fitted to at most, chosen evenly: more would only take memory."""
EXPERT_BATCH = 64
PRESETS_BALANCE = {make("").balance for make in PRESETS.values()}
"""Columns that presets even out where there are any; a dataset need not have them."""


def begin(recipe: Recipe, reader: BatchLoader, train: Tensor, team: ProcessGroup = ALONE) -> TrainState:
    """A train_state whose network is freshly initialised from the recipe's seed, on the reader's device.

    Args:
        train: indices of the training clips in the reader's feature set, int64 [N].
        team: who shares every batch; each begins alike.

    Raises:
        UserError: there is no such network, it lacks the options, it cannot train on batches of one, or a batch is too
            small to be shared.
    """
    make_deterministic(recipe, reader.device)
    genres = len(reader.features.genres)
    # A processor alone takes a second to draw 169 M weights, and another to bring them to a GPU. But the GPUs of a team
    # may be of different kinds, and draw different ones.
    home = reader.device if reader.device.type == "cuda" and team.place.alone else torch.device("cpu")
    with home:
        model = network_of(recipe, genres)
    if recipe.batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
        raise UserError(f"{recipe.model} cannot train on batches of one clip: take a batch size of 2 or more.")
    windows = random_windows(train, reader.frames, reader.width, 1, recipe.seed, epoch=0)
    fit_standardisation(model, reader.read(windows.part(0, STANDARDISE_WINDOWS)).mel_BMT.to(home))
    init_batch_norm_stats(model, reader.read(windows.part(0, max(2, recipe.batch_size))).mel_BMT.to(home))
    fit_experts(model, for_experts(recipe, reader, train, home))
    bounds = batch_bounds(len(train) * recipe.crops_per_clip, recipe.batch_size)
    smallest = min(last - first for first, last in bounds)
    if smallest < team.place.size:
        raise UserError(f"A batch of {smallest} leaves some of {team.place.size} processes nothing: take larger ones.")
    precision = choose_precision(recipe, reader.device)
    return TrainState(model, recipe, precision, genres=genres, batches=len(bounds), team=team)


def for_experts(recipe: Recipe, reader: BatchLoader, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips, and each once more as the recipe's augmentation could have made it sound.

    Some clips at a time, [I, W, M, T] on ``device``: the windows as they are first, then the others in the same order.
    """
    chosen = torch.linspace(0, len(train) - 1, min(len(train), EXPERT_CLIPS)).round().long()
    reader = BatchLoader(reader.features, recipe.fit_frames, reader.device)
    windows = spaced_windows(train[chosen], reader.frames, reader.width, EXPERT_WINDOWS)
    augment = _augment(recipe, recipe.augmentation.of_sound)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    per_batch = EXPERT_BATCH // EXPERT_WINDOWS * EXPERT_WINDOWS  # a clip's windows stay together
    for first in range(0, len(windows), per_batch):
        batch = reader.read(windows.part(first, first + per_batch))
        mel_BMT, labels_B = batch.mel_BMT.to(device), batch.labels_B.to(device)
        kinds = [mel_BMT]
        if augment is not None:
            kinds.append(augment(mel_BMT, labels_B[:, None].float(), generator)[0])
        mel_IWMT = torch.cat([kind.view(-1, EXPERT_WINDOWS, *kind.shape[1:]) for kind in kinds], dim=1)
        yield mel_IWMT, labels_B[::EXPERT_WINDOWS]


def augmentation(recipe: Recipe) -> Augmentation | None:
    """What the recipe does to training batches, or None for nothing."""
    return _augment(recipe, recipe.augmentation)


def _augment(recipe: Recipe, settings: AugmentationSettings) -> Augment | None:
    return Augment(settings, recipe.front_end) if effects_of(settings) or settings.mixup else None


def sampling_weights(clips: Sequence[Clip], train: Tensor, column: str | None) -> Tensor | None:
    """How often each training clip is to be drawn, as the recipe's ``balance`` says: [N], or None for all alike.

    A clip of a group (an artist, say) of n clips in its genre counts 1 / √n, and all genres count the same.

    Raises:
        UserError: no clip has the column. One that a preset asks for may be missing: presets are for any dataset.
    """
    if column is None:
        return None
    if column not in PRESETS_BALANCE and not any(column in clip.columns for clip in clips):
        known = sorted({name for clip in clips for name in clip.columns})
        has = f"it has {', '.join(known)}" if known else "it has no index"
        raise UserError(f"The dataset has no column {column!r} to balance by: {has}.")
    chosen = [clips[i] for i in train.tolist()]
    keys = [(clip.genre, clip.columns.get(column) or clip.content) for clip in chosen]
    sizes = Counter(keys)
    weight_N = torch.tensor([sizes[key] for key in keys], dtype=torch.float64).rsqrt()
    totals: dict[str, float] = {}
    for clip, weight in zip(chosen, weight_N.tolist(), strict=True):
        totals[clip.genre] = totals.get(clip.genre, 0.0) + weight
    return weight_N / torch.tensor([totals[clip.genre] for clip in chosen])
