"""Fitting a network's closed-form experts to the training set, and what they choose before training begins.

Experts take seconds to fit, so they can try two lengths of windows on the training clips. Suffixes: N training clips,
I those of them that experts are fitted to, W windows of each to fit to, J windows of each to evaluate on, M mel bands,
T frames, C genres.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from msgspec.structs import replace
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.dataset.split import union_find
from core.dataset.store.feature_set import FeatureSet
from core.features.augment import make_augment
from core.models.networks.encoder_head import EncoderHead
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.lda_expert import ClipWindows, StatisticsExpert, fitted_clips
from core.training.checkpoint import build_network
from core.training.distributed import SINGLE, ProcessGroup
from core.training.loop.loader import BatchLoader, spaced_windows
from core.training.loop.weigh import HeldOut, hold_out
from core.training.presets import with_short_windows
from core.training.recipe import Recipe

EXPERT_WINDOWS = 8
"""Windows of each training clip to which an expert is fitted."""
EVAL_WINDOWS = 10
"""Most windows of each training clip on which experts fitted to other clips are evaluated."""
EXPERT_BATCH = 64
INNER_FOLDS = 10
"""With ten folds, experts are nearly as accurate and confident as those fitted to all clips."""
GROUP_COLUMNS = ("artist", "group", "album")
"""Columns whose values must not be split over folds, because their clips sound alike beyond their genre."""


class FittedExperts(NamedTuple):
    """Experts fitted to the training clips, and what they say of clips that they were not fitted to."""

    experts: ExpertEnsemble
    out_of_fold_IC: Tensor | None
    """Logits; None for a single fold."""


def choose_windows(
    recipe: Recipe,
    features: FeatureSet,
    train: Tensor,
    device: torch.device,
    group: ProcessGroup = SINGLE,
    chosen_frames: int = 0,
) -> tuple[Recipe, FittedExperts | None]:
    """The recipe, or its variant with short windows if that suits the training clips better.

    The experts of both are fitted, and short windows have to lower their out-of-fold cross-entropy by more than its
    standard error (Breiman et al. 1984), because the network is not asked. The recipe that is returned leaves no
    choice.

    Args:
        train: indices of the training clips in the feature set, int64 [N].
        group: all processes get the choice of rank 0.
        chosen_frames: frames of the windows that were chosen before, for resuming.

    Returns:
        The recipe to train with, and its experts if they are fitted already.

    Raises:
        UserError: the network or one of its options does not exist.
    """
    usual = replace(recipe, choose_windows=False)
    short = with_short_windows(usual) if recipe.choose_windows else None
    if short is None or short.input_frames >= usual.input_frames:
        return usual, None
    if chosen_frames:
        return (short if short.input_frames == chosen_frames else usual), None
    device, by_length = build_device(device, group), []
    for one in (usual, short):
        model = build_network(one, len(features.genres)).to(device)
        (experts,) = (module for module in model.modules() if isinstance(module, ExpertEnsemble))
        by_length.append(FittedExperts(experts, fit_ensemble(experts, one, features, train, device)))
    labels_I = features.labels.cpu()[_expert_clips(train)]
    (is_better,) = group.broadcast(int(_clearly_better(by_length[1], by_length[0], labels_I)))
    return (short if is_better else usual), by_length[is_better]


def _clearly_better(one: FittedExperts, other: FittedExperts, labels_I: Tensor) -> bool:
    """Whether the cross-entropy is lower by more than its standard error; False if it is not known."""
    if one.out_of_fold_IC is None or other.out_of_fold_IC is None:
        return False
    loss_I, other_loss_I = (
        F.cross_entropy(fitted.out_of_fold_IC.cpu(), labels_I, reduction="none")  # type: ignore[union-attr]
        for fitted in (one, other)
    )
    gain_I: Tensor = other_loss_I - loss_I
    return bool(gain_I.mean() > gain_I.std() / len(gain_I) ** 0.5)


def build_device(device: torch.device, group: ProcessGroup) -> torch.device:
    """Where networks are built and experts fitted: the device, or the CPU.

    Initialising 169 M weights takes about 1 s on a CPU, and copying them to a GPU another second. But the GPUs of a
    group may be of different kinds, which draw different random numbers.
    """
    return device if device.type == "cuda" and group.info.is_single else torch.device("cpu")


def fit_experts(
    model: nn.Module,
    recipe: Recipe,
    features: FeatureSet,
    train: Tensor,
    device: torch.device,
    fitted: FittedExperts | None = None,
) -> HeldOut | None:
    """Fit the network's closed-form experts, if it has any, to windows of the training set.

    Args:
        fitted: experts that are fitted already.

    Returns:
        The held-out clips for choosing the network's weight, if the recipe asks for it and there are enough.
    """
    if isinstance(model, EncoderHead):  # it chooses the weights of its parts itself
        folds = inner_folds([features.clips[i] for i in _expert_clips(train).tolist()])
        by = eval_windows(recipe, features, train, device)
        model.fit(expert_windows(recipe, features, train, device), by, folds)
        return None
    held = None
    for module in model.modules():
        if isinstance(module, StatisticsExpert):
            module.fit(expert_windows(recipe, features, train, device))
        elif isinstance(module, ExpertEnsemble):
            if fitted is None:
                fitted = FittedExperts(module, fit_ensemble(module, recipe, features, train, device))
            else:
                module.load_state_dict(fitted.experts.state_dict())
            if fitted.out_of_fold_IC is not None:
                epochs = round(recipe.weigh_after * recipe.epochs)
                folds_N = _folds(features, train)
                held = hold_out(epochs, folds_N, train, _expert_clips(train), fitted.out_of_fold_IC.cpu())
    if held is None and isinstance(model, EnsembleCNN):
        model.weigh_by_default()
    return held


def fit_ensemble(
    experts: ExpertEnsemble, recipe: Recipe, features: FeatureSet, train: Tensor, device: torch.device
) -> Tensor | None:
    """Fit the experts, which are on ``device``, to windows of the training set; returns as `ExpertEnsemble.fit`."""
    to, by = expert_windows(recipe, features, train, device), eval_windows(recipe, features, train, device)
    return experts.fit(to, by, _folds(features, train)[fitted_clips(len(train))])


def eval_windows(recipe: Recipe, features: FeatureSet, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips as in an evaluation: [I, J, M, T] on ``device``, clips in order."""
    loader = BatchLoader(features, recipe.input_frames, features.device)
    count = min(EVAL_WINDOWS, recipe.test_crops)
    windows = spaced_windows(_expert_clips(train), loader.excerpts, loader.frames, loader.width, count)
    for first in range(0, len(windows), per_batch := EXPERT_BATCH // count * count):
        mel_BMT, labels_B = loader.read(windows.part(first, first + per_batch))
        yield mel_BMT.to(device).view(-1, count, *mel_BMT.shape[1:]), labels_B[::count].to(device)


def expert_windows(recipe: Recipe, features: FeatureSet, train: Tensor, device: torch.device) -> Iterator[ClipWindows]:
    """Windows of the training clips, each without and with the recipe's augmentation.

    Yields some clips at a time, [I, W, M, T] on ``device``: first the original windows, then the augmented ones in the
    same order.
    """
    loader = BatchLoader(features, recipe.fit_frames, features.device)
    windows = spaced_windows(_expert_clips(train), loader.excerpts, loader.frames, loader.width, EXPERT_WINDOWS)
    augment = make_augment(recipe.augmentation.of_sound, recipe.front_end)
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


def _expert_clips(train: Tensor) -> Tensor:
    """The training clips to which experts are fitted."""
    return train[fitted_clips(len(train))]


def _folds(features: FeatureSet, train: Tensor) -> Tensor:
    return inner_folds([features.clips[i] for i in train.tolist()])


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
