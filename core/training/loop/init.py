"""A new train state: network built, and those of its parts fitted to the training set that need no training."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.dataset.split import union_find
from core.features.augment import Augment
from core.features.settings import AugmentationSettings, effects_of
from core.models.layers.normalisation import fit_standardisation, init_batch_norm_stats
from core.models.networks.encoder_head import EncoderHead
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.lda_expert import ClipWindows, StatisticsExpert, fitted_clips
from core.training.checkpoint import build_network
from core.training.distributed.group import SINGLE, ProcessGroup
from core.training.loop.loader import BatchLoader
from core.training.loop.precision import choose_precision, make_deterministic
from core.training.loop.sampler import batch_bounds, random_windows, spaced_windows
from core.training.loop.step import Augmentation
from core.training.loop.train_state import TrainState
from core.training.loop.weigh import HeldOut, hold_out
from core.training.recipe import Recipe
from core.util.errors import UserError

STANDARDISE_WINDOWS = 256
"""Windows of the training set that the network's standardisation is fitted to."""
EXPERT_WINDOWS = 8
"""Windows of each training clip that an expert is fitted to."""
JUDGING_WINDOWS = 4
"""Windows of each training clip, at most, that experts fitted to other clips are judged by."""
EXPERT_BATCH = 64
PRESETS_BALANCE = {"artist"}
"""Columns that presets of earlier versions balance by where they exist; a dataset need not have them."""


def init_train_state(recipe: Recipe, loader: BatchLoader, train: Tensor, group: ProcessGroup = SINGLE) -> TrainState:
    """A train_state whose network is freshly initialised from the recipe's seed, on the reader's device.

    Args:
        train: indices of the training clips in the reader's feature set, int64 [N].
        group: the processes that share every batch; all begin with the same weights.

    Raises:
        UserError: the network does not exist, it has no such options, it cannot train on batches of one, or a batch is
            too small to be shared.
    """
    make_deterministic(recipe, loader.device)
    genres = len(loader.features.genres)
    # Initialising 169 M weights takes about 1 s on a CPU, and copying them to a GPU another. But the GPUs of a group
    # may be of different kinds, which draw different random numbers.
    home = loader.device if loader.device.type == "cuda" and group.info.is_single else torch.device("cpu")
    with home:
        model = build_network(recipe, genres)
    if recipe.batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
        raise UserError(f"{recipe.model} cannot train on batches of one clip: choose a batch size of 2 or more.")
    windows = random_windows(train, loader.excerpts, loader.frames, loader.width, 1, recipe.seed, epoch=0)
    fit_standardisation(model, loader.read(windows.part(0, STANDARDISE_WINDOWS)).mel_BMT.to(home))
    init_batch_norm_stats(model, loader.read(windows.part(0, max(2, recipe.batch_size))).mel_BMT.to(home))
    held = fit_experts(model, recipe, loader, train, home)
    bounds = batch_bounds(len(train) * recipe.crops_per_clip, recipe.batch_size)
    smallest = min(last - first for first, last in bounds)
    if smallest < group.info.size:
        raise UserError(
            f"A batch of {smallest} is too small for {group.info.size} processes: choose a larger batch size."
        )
    precision = choose_precision(recipe, loader.device)
    return TrainState(model, recipe, precision, genres=genres, batches=len(bounds), group=group, held=held)


def fit_experts(
    model: nn.Module, recipe: Recipe, loader: BatchLoader, train: Tensor, device: torch.device
) -> HeldOut | None:
    """Fits those experts of a network that have a closed form, if it has any, to windows of the training set.

    Returns:
        The clips to weigh the network by beside its experts, if the recipe asks for it and there are enough.
    """
    if isinstance(model, EncoderHead):  # weighs its own parts
        folds = inner_folds([loader.features.clips[i] for i in _expert_clips(train).tolist()])
        judged_by = judging_windows(recipe, loader, train, device)
        model.fit(expert_windows(recipe, loader, train, device), judged_by, folds)
        return None
    held = None
    for module in model.modules():
        if isinstance(module, StatisticsExpert):
            module.fit(expert_windows(recipe, loader, train, device))
        elif isinstance(module, ExpertEnsemble):
            folds_N = inner_folds([loader.features.clips[i] for i in train.tolist()])
            judged_I = _expert_clips(train)
            judged_by = judging_windows(recipe, loader, train, device)
            logits_IC = module.fit(
                expert_windows(recipe, loader, train, device), judged_by, folds_N[fitted_clips(len(train))]
            )
            if logits_IC is not None:
                epochs = round(recipe.weigh_after * recipe.epochs)
                held = hold_out(epochs, folds_N, train, judged_I, logits_IC.cpu())
    return held


def judging_windows(recipe: Recipe, loader: BatchLoader, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips as the network is evaluated on them: [I, J, M, T] on ``device``, clips in order."""
    count = min(JUDGING_WINDOWS, recipe.test_crops)
    windows = spaced_windows(_expert_clips(train), loader.excerpts, loader.frames, loader.width, count)
    for first in range(0, len(windows), per_batch := EXPERT_BATCH // count * count):
        mel_BMT, labels_B = loader.read(windows.part(first, first + per_batch))
        yield mel_BMT.to(device).view(-1, count, *mel_BMT.shape[1:]), labels_B[::count].to(device)


def _expert_clips(train: Tensor) -> Tensor:
    """The training clips that experts are fitted to."""
    return train[fitted_clips(len(train))]


def expert_windows(recipe: Recipe, loader: BatchLoader, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips, each plain and once augmented as the recipe says.

    Some clips at a time, [I, W, M, T] on ``device``: the plain windows first, then the augmented in the same order.
    """
    loader = BatchLoader(loader.features, recipe.fit_frames, loader.device)
    windows = spaced_windows(_expert_clips(train), loader.excerpts, loader.frames, loader.width, EXPERT_WINDOWS)
    augment = _augment(recipe, recipe.augmentation.of_sound)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    per_batch = EXPERT_BATCH // EXPERT_WINDOWS * EXPERT_WINDOWS  # a clip's windows stay together
    for first in range(0, len(windows), per_batch):
        batch = loader.read(windows.part(first, first + per_batch))
        mel_BMT, labels_B = batch.mel_BMT.to(device), batch.labels_B.to(device)
        kinds = [mel_BMT]
        if augment is not None:
            kinds.append(augment(mel_BMT, labels_B[:, None].float(), generator)[0])
        mel_IWMT = torch.cat([kind.view(-1, EXPERT_WINDOWS, *kind.shape[1:]) for kind in kinds], dim=1)
        yield mel_IWMT, labels_B[::EXPERT_WINDOWS]


def augmentation(recipe: Recipe) -> Augmentation | None:
    """The recipe's augmentation of training batches; None where there is none."""
    return _augment(recipe, recipe.augmentation)


def _augment(recipe: Recipe, settings: AugmentationSettings) -> Augment | None:
    return Augment(settings, recipe.front_end) if effects_of(settings) or settings.mixup else None


def sampling_weights(clips: Sequence[Clip], train: Tensor, column: str | None) -> Tensor | None:
    """How often each training clip is drawn, as the recipe's ``balance`` says: [N], or None for all alike.

    A clip of a group (an artist, say) of n clips in its genre counts 1 / √n, and all genres count the same.

    Raises:
        UserError: no clip has the column. A column that a preset asks for may be missing: presets suit any dataset.
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


INNER_FOLDS = 10
"""Experts fitted to nine tenths of the clips are nearly as good, and as certain, as those fitted to all of them."""
GROUP_COLUMNS = ("artist", "group", "album")
"""Columns whose clips sound alike beyond their genre, so that they must be in one fold; where the dataset has them."""


def inner_folds(clips: Sequence[Clip], count: int = INNER_FOLDS) -> Tensor:
    """The fold of each clip, int64 [N]: copies, and clips of one artist, group or album, are in the same.

    Folds get about the same number of clips of each genre. They are fewer than ``count`` where there are fewer
    groups.
    """
    groups = union_find(
        [
            [
                ("content", clip.content),
                ("copies", clip.group) if clip.group else None,
                *((column, value) for column in GROUP_COLUMNS if (value := clip.columns.get(column))),
            ]
            for clip in clips
        ]
    )
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    filled = [Counter[str]() for _ in range(count)]
    folds = torch.zeros(len(clips), dtype=torch.int64)
    for _, indices in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        genres = Counter(clips[i].genre for i in indices)
        main = genres.most_common(1)[0][0]
        fold = min(range(count), key=lambda k: (filled[k][main], filled[k].total(), k))
        filled[fold] += genres
        folds[indices] = fold
    return folds
