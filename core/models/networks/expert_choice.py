"""Choosing the settings and weights of experts over window statistics.

The settings, and the weight of each expert in the sum of their logits (a logarithmic opinion pool, Genest & Zidek
1986), minimise the out-of-fold cross-entropy of the training clips: experts are fitted without the clip's group
(artist, album).

Suffixes: I clips, W windows of each to fit to, J windows of each to evaluate on, N all windows, F statistics, D those
that the kernel compares, C genres, E experts.
"""

import math
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from core.util.parallel import cores, ordered_map, single_threaded_torch

EXPERTS = ("discriminant", "memory", "kernel")
SHRINKAGES = (0.03, 0.1, 0.3, 0.6)
"""Of the discriminant."""
MEMORY_SHRINKAGES = (0.1, 0.3, 0.6)
BANDWIDTHS = (2.0, 3.0, 5.0, 10.0)
RIDGES = (0.1, 0.3, 1.0)
KERNEL_EXPONENTS = (0.5, 1.0)
"""Exponents of the kernel at the average distance between two clips."""
AVERAGED = 500
"""Most clips from which the average distance is computed."""
ROUNDS = 3
"""Most rounds of coordinate descent over the experts."""
Candidate = tuple[float, ...]
"""An expert's index in `EXPERTS` and its settings."""
CLIP_SPREAD = 12.0
"""How often the discriminant adds the covariance within clips to that within genres. What differs between windows of
one clip, as they are and augmented, says nothing of its genre (within-class covariance, Hatch et al. 2006)."""
LIKELY_WEIGHT = 2.0
"""Standard deviation of a Gaussian prior on an expert's weight, in units of the deviation of its logits."""


class ExpertSettings(NamedTuple):
    """Settings chosen on the training clips; the defaults apply if there are too few groups."""

    shrinkage: float = 0.3
    """Least weight of the diagonal in the discriminant's covariance (Friedman 1989)."""
    memory_shrinkage: float = 0.3
    bandwidth: float = 5.0
    """Bandwidth of the kernel around each stored clip, in standard deviations within genres."""
    ridge: float = 0.3
    exponent: float = 0.5
    """One of `KERNEL_EXPONENTS`."""
    weights: tuple[float, float, float] = (0.15, 0.0, 3.0)
    """Factors of the experts' logits, in the order of `EXPERTS`."""


def choose(
    features_IWF: Tensor,
    eval_IJF: Tensor | None,
    labels_I: Tensor,
    folds_I: Tensor,
    genres: int,
    columns_D: Tensor,
    apart_II: Tensor,
) -> tuple[ExpertSettings, list[float], Tensor]:
    """The settings with the lowest out-of-fold cross-entropy, the accuracies for `describe`, and the logits.

    Single precision will do: every covariance here is shrunk.

    Args:
        eval_IJF: None to evaluate whole clips by the means of their windows, which takes less than half the time.
        columns_D: the statistics that the kernel compares.
        apart_II: the L1 distances between clips in these.
    """
    clips_IF, average = features_IWF.mean(1), average_distance(apart_II)
    apart_II = apart_II / average
    if eval_IJF is None:
        eval_IJF, apart_IJI = clips_IF[:, None], apart_II[:, None]
    else:
        apart_NI = distances(eval_IJF[..., columns_D].flatten(0, 1), clips_IF[:, columns_D]) / average
        apart_IJI = apart_NI.view(*eval_IJF.shape[:2], len(clips_IF))
    clips, windows = eval_IJF.shape[:2]
    within_all_FF = within_clips(features_IWF)

    def predicted(held_I: Tensor) -> dict[Candidate, Tensor]:
        """Candidate → logits of the held-out clips."""
        logits: dict[Candidate, Tensor] = {}
        known_IF, known_labels_I = clips_IF[~held_I], labels_I[~held_I]
        means_CF, covariance_FF, unknown = within_genres(features_IWF[~held_I], known_labels_I, genres)
        held_NF = eval_IJF[held_I].flatten(0, 1)
        share = float(held_I.double().mean())
        within_FF = (within_all_FF - share * within_clips(features_IWF[held_I])) / (1 - share)
        spread_FF = covariance_FF + CLIP_SPREAD * within_FF
        # Cached, because with few windows every shrinkage gives the same covariance.
        near = cache(partial(_nearness, held_NF, means_CF, spread_FF))
        for shrinkage in SHRINKAGES:
            logits[0, shrinkage] = near(max(shrinkage, unknown))
        near = cache(partial(_nearness, held_NF, known_IF, covariance_FF))
        for shrinkage in MEMORY_SHRINKAGES:
            for bandwidth in BANDWIDTHS:
                near_NI = near(max(shrinkage, unknown)) / bandwidth**2
                logits[1, shrinkage, bandwidth] = bandwidth**2 * _by_genre(near_NI, known_labels_I, genres)
        for exponent in KERNEL_EXPONENTS:
            kernel_II = torch.exp(-exponent * apart_II[~held_I][:, ~held_I])
            kernel_NI = torch.exp(-exponent * apart_IJI[held_I][:, :, ~held_I].flatten(0, 1))
            for ridge in RIDGES:
                logits[2, exponent, ridge] = kernel_NI @ ridge_solution(kernel_II, known_labels_I, genres, ridge)
        return {one: logits_NC.view(-1, windows, genres).mean(1).double() for one, logits_NC in logits.items()}

    parts = [folds_I == fold for fold in sorted(set(folds_I.tolist()))]
    with single_threaded_torch():
        by_part = list(ordered_map(predicted, parts, cores() if folds_I.device.type == "cpu" else 1))
    logits = {one: labels_I.new_zeros(clips, genres, dtype=torch.float64) for one in by_part[0]}
    for held_I, of_part in zip(parts, by_part, strict=True):
        for one, logits_NC in of_part.items():
            logits[one][held_I] = logits_NC

    best = _best_together(logits, labels_I)
    chosen = [logits[one] for one in best]
    weights, _ = pooled(chosen, labels_I)
    together_IC = sum((w * one for w, one in zip(weights, chosen, strict=True)), torch.zeros_like(chosen[0]))
    accuracies = [float((one.argmax(1) == labels_I).double().mean()) for one in (*chosen, together_IC)]
    (_, shrinkage), (_, memory_shrinkage, bandwidth), (_, exponent, ridge) = best
    weights_of = (weights[0], weights[1], weights[2])
    settings = ExpertSettings(shrinkage, memory_shrinkage, bandwidth, ridge, exponent, weights_of)
    return settings, accuracies, together_IC


def _best_together(logits: dict[Candidate, Tensor], labels_I: Tensor) -> list[Candidate]:
    """A candidate for each expert: first the best on its own, then in turn the best together with the others."""
    candidates = [[one for one in logits if one[0] == expert] for expert in range(len(EXPERTS))]
    best = [min(of_expert, key=lambda one: pooled([logits[one]], labels_I)[1]) for of_expert in candidates]
    for _ in range(ROUNDS):
        before = list(best)
        for expert, of_expert in enumerate(candidates):
            sums = {one: [logits[other] for other in (*best[:expert], one, *best[expert + 1 :])] for one in of_expert}
            losses = {one: pooled(parts, labels_I)[1] for one, parts in sums.items()}
            best[expert] = min(losses, key=lambda one: losses[one])
        if best == before:
            break
    return best


def pooled(logits: list[Tensor], labels_I: Tensor) -> tuple[list[float], float]:
    """The experts' weights with the lowest cross-entropy of the weighted sum (which is convex in them), and that.

    A prior shrinks them for few clips, where experts may be right by chance.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    logits_EIC = torch.stack(logits).cpu().numpy()  # NumPy, because PyTorch takes longer to start such small operations
    scale_E = np.maximum(logits_EIC.std(axis=(1, 2)), 1e-9)  # similar magnitudes for the optimiser
    logits_EN = (logits_EIC / scale_E[:, None, None]).reshape(len(logits), -1)
    shape, given_I = logits_EIC.shape[1:], labels_I.cpu().numpy()
    clips_I = np.arange(len(given_I))

    def loss(weights_E: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        sums_IC = (weights_E @ logits_EN).reshape(shape)
        sums_IC -= sums_IC.max(axis=1, keepdims=True)
        error_IC = np.exp(sums_IC)
        total_I = error_IC.sum(axis=1)
        error_IC /= total_I[:, None]
        error_IC[clips_I, given_I] -= 1
        prior_E = weights_E / LIKELY_WEIGHT**2 / len(given_I)
        cross_entropy = float((np.log(total_I) - sums_IC[clips_I, given_I]).mean())
        return cross_entropy + float(weights_E @ prior_E) / 2, logits_EN @ error_IC.ravel() / len(given_I) + prior_E

    found = minimize(loss, [1.0 / len(logits)] * len(logits), jac=True, bounds=[(0.0, None)] * len(logits))
    return [float(weight) for weight in found.x / scale_E], float(found.fun)


def within_genres(features_IWF: Tensor, labels_I: Tensor, genres: int) -> tuple[Tensor, Tensor, float]:
    """The genres' means [C, F], the covariance around them [F, F], and the least weight of its diagonal.

    All genres have equal weight. With fewer windows than statistics the covariance is singular without that weight.
    """
    features_NF, labels_N = features_IWF.flatten(0, 1), labels_I.repeat_interleave(features_IWF.shape[1])
    one_hot_NC = F.one_hot(labels_N, genres).to(features_IWF.dtype)
    shares_NC = one_hot_NC / one_hot_NC.sum(0).clamp_min(1)
    means_CF = shares_NC.T @ features_NF
    within_NF = (features_NF - means_CF[labels_N]) * shares_NC.sum(1, keepdim=True).sqrt()
    unknown = 1 - (len(features_NF) - genres) / features_NF.shape[1]
    return means_CF, within_NF.T @ within_NF / shares_NC.sum(), unknown


def within_clips(features_IWF: Tensor) -> Tensor:
    """The covariance of windows around the mean of their clip, [F, F]; 0 for a single window per clip."""
    within_NF = (features_IWF - features_IWF.mean(1, keepdim=True)).flatten(0, 1)
    return within_NF.T @ within_NF / len(within_NF)


def _nearness(x_NF: Tensor, points_PF: Tensor, covariance_FF: Tensor, shrinkage: float) -> Tensor:
    """-½ the squared Mahalanobis distance of x from each point, [N, P], without a term that depends on x alone."""
    lower_FF = factored(covariance_FF, shrinkage)
    points_FP, x_FN = (torch.linalg.solve_triangular(lower_FF, part.T, upper=False) for part in (points_PF, x_NF))
    near_NP: Tensor = x_FN.T @ points_FP - 0.5 * points_FP.square().sum(0)
    return near_NP


def factored(covariance_FF: Tensor, shrinkage: float) -> Tensor:
    """The Cholesky factor of the covariance shrunk to its diagonal by ``shrinkage``, at most 1."""
    diagonal_FF = covariance_FF.diagonal().clamp_min(1e-6).diag()
    lower_FF: Tensor = torch.linalg.cholesky(torch.lerp(covariance_FF, diagonal_FF, min(1.0, shrinkage)))
    return lower_FF


def _by_genre(near_NI: Tensor, labels_I: Tensor, genres: int) -> Tensor:
    """The logarithm of the mean kernel of each genre's clips, [N, C]; very low for a genre without clips."""
    by_genre = []
    for genre in range(genres):
        of_genre = near_NI[:, labels_I == genre]
        clips = of_genre.shape[1]
        empty_N = near_NI.new_full((len(near_NI),), near_NI.min().item())
        by_genre.append(torch.logsumexp(of_genre, dim=1) - math.log(clips) if clips else empty_N)
    return torch.stack(by_genre, dim=1)


def ridge_solution(kernel_II: Tensor, labels_I: Tensor, genres: int, ridge: float) -> Tensor:
    """Coefficients [I, C] of kernel ridge regression on indicators of the genres, which have equal weight."""
    counts_C = torch.bincount(labels_I, minlength=genres).to(kernel_II.dtype)
    noise_I = counts_C[labels_I] * (counts_C > 0).sum() / len(labels_I) * ridge
    targets_IC = F.one_hot(labels_I, genres).to(kernel_II.dtype) - 1 / genres
    solution_IC: Tensor = torch.cholesky_solve(targets_IC, torch.linalg.cholesky(kernel_II + noise_I.diag()))
    return solution_IC


def distances(x_NF: Tensor, y_IF: Tensor) -> Tensor:
    """L1 distances [N, I]."""
    if torch.compiler.is_exporting():  # ONNX has no operator for cdist
        return (x_NF[:, None] - y_IF).abs().sum(2)
    if x_NF.device.type != "cpu":
        return torch.cdist(x_NF, y_IF, p=1.0)
    # |a - b| = 2 max(a, b) - a - b: on a CPU, cdist takes three times as long.
    larger = [torch.maximum(x_F, y_IF).sum(1) for x_F in x_NF]
    return 2 * torch.stack(larger) - x_NF.sum(1, keepdim=True) - y_IF.sum(1)


def distances_among(x_IF: Tensor) -> Tensor:
    """L1 distances [I, I], each of which is computed once."""
    apart_II = x_IF.new_zeros(len(x_IF), len(x_IF))
    row, column = torch.triu_indices(len(x_IF), len(x_IF), offset=1, device=x_IF.device)
    apart_II[row, column] = apart_II[column, row] = F.pdist(x_IF, p=1.0)
    return apart_II


def average_distance(apart_II: Tensor) -> float:
    """Of some of the clips."""
    step = 1 + len(apart_II) // AVERAGED
    return max(1e-6, float(apart_II[::step, ::step].mean()))


def squared_distances(x_NF: Tensor, y_IF: Tensor) -> Tensor:
    squared_NI: Tensor = x_NF.square().sum(1, keepdim=True) + y_IF.square().sum(1) - 2 * x_NF @ y_IF.T
    nonnegative_NI: Tensor = torch.clamp_min(squared_NI, 0)
    return nonnegative_NI
