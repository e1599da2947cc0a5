"""Creating a train state: building the network, and fitting its closed-form parts to the training set."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.dataset.metadata import column_list
from core.dataset.split import union_find
from core.features.augment import Augment
from core.features.settings import AugmentationSettings, effects_of
from core.models.layers.normalisation import fit_standardisation, init_batch_norm_stats
from core.models.networks.encoder_head import EncoderHead
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.lda_expert import ClipWindows, StatisticsExpert, fitted_clips
from core.training.checkpoint import build_network
from core.training.distributed import SINGLE, ProcessGroup
from core.training.loop.loader import BatchLoader, batch_bounds, random_windows, spaced_windows
from core.training.loop.precision import choose_precision, make_deterministic
from core.training.loop.step import Augmentation
from core.training.loop.train_state import TrainState
from core.training.loop.weigh import HeldOut, hold_out
from core.training.recipe import Recipe
from core.util.errors import UserError
from core.util.text import printable

STANDARDISE_WINDOWS = 256
"""Windows of the training set to which standardisation is fitted."""
EXPERT_WINDOWS = 8
"""Windows of each training clip to which an expert is fitted."""
EVAL_WINDOWS = 4
"""Most windows of each training clip on which experts fitted to other clips are evaluated."""
EXPERT_BATCH = 64
PRESETS_BALANCE = {"artist"}
"""Columns by which presets of earlier versions balance if the dataset has them."""


def init_train_state(recipe: Recipe, loader: BatchLoader, train: Tensor, group: ProcessGroup = SINGLE) -> TrainState:
    """A train state with a network initialised from the recipe's seed, on the loader's device.

    Args:
        train: indices of the training clips in the loader's feature set, int64 [N].
        group: the processes that share every batch; all start with the same weights.

    Raises:
        UserError: the network or one of its options does not exist, it cannot train on batches of one, or a batch is
            too small for the number of processes.
    """
    make_deterministic(recipe, loader.device)
    genres = len(loader.features.genres)
    # Initialising 169 M weights takes about 1 s on a CPU, and copying them to a GPU another second. But the GPUs of a
    # group may be of different kinds, which draw different random numbers.
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
    """Fit the network's closed-form experts, if it has any, to windows of the training set.

    Returns:
        The held-out clips for choosing the network's weight, if the recipe asks for it and there are enough.
    """
    if isinstance(model, EncoderHead):  # it chooses the weights of its parts itself
        folds = inner_folds([loader.features.clips[i] for i in _expert_clips(train).tolist()])
        by = eval_windows(recipe, loader, train, device)
        model.fit(expert_windows(recipe, loader, train, device), by, folds)
        return None
    held = None
    for module in model.modules():
        if isinstance(module, StatisticsExpert):
            module.fit(expert_windows(recipe, loader, train, device))
        elif isinstance(module, ExpertEnsemble):
            folds_N = inner_folds([loader.features.clips[i] for i in train.tolist()])
            eval_I = _expert_clips(train)
            by = eval_windows(recipe, loader, train, device)
            logits_IC = module.fit(expert_windows(recipe, loader, train, device), by, folds_N[fitted_clips(len(train))])
            if logits_IC is not None:
                epochs = round(recipe.weigh_after * recipe.epochs)
                held = hold_out(epochs, folds_N, train, eval_I, logits_IC.cpu())
    if held is None and isinstance(model, EnsembleCNN):
        model.weigh_by_default()
    return held


def eval_windows(recipe: Recipe, loader: BatchLoader, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips as in an evaluation: [I, J, M, T] on ``device``, clips in order."""
    count = min(EVAL_WINDOWS, recipe.test_crops)
    windows = spaced_windows(_expert_clips(train), loader.excerpts, loader.frames, loader.width, count)
    for first in range(0, len(windows), per_batch := EXPERT_BATCH // count * count):
        mel_BMT, labels_B = loader.read(windows.part(first, first + per_batch))
        yield mel_BMT.to(device).view(-1, count, *mel_BMT.shape[1:]), labels_B[::count].to(device)


def _expert_clips(train: Tensor) -> Tensor:
    """The training clips to which experts are fitted."""
    return train[fitted_clips(len(train))]


def expert_windows(recipe: Recipe, loader: BatchLoader, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips, each without and with the recipe's augmentation.

    Yields some clips at a time, [I, W, M, T] on ``device``: first the original windows, then the augmented ones in the
    same order.
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
    """The recipe's augmentation of training batches; None if it has none."""
    return _augment(recipe, recipe.augmentation)


def _augment(recipe: Recipe, settings: AugmentationSettings) -> Augment | None:
    return Augment(settings, recipe.front_end) if effects_of(settings) or settings.mixup else None


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


INNER_FOLDS = 10
"""With ten folds, experts are nearly as accurate and confident as those fitted to all clips."""
GROUP_COLUMNS = ("artist", "group", "album")
"""Columns whose values must not be split over folds, because their clips sound alike beyond their genre."""


def inner_folds(clips: Sequence[Clip], count: int = INNER_FOLDS) -> Tensor:
    """The fold of each clip, int64 [N]; copies, and clips of one artist, group or album, are in one fold.

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
