"""Three experts over window statistics, fitted in closed form, whose settings are chosen on the training clips.

- discriminant: every genre's mean, compared by the Mahalanobis distance within genres (Fisher 1936)
- memory: every training clip, compared by the same distance, and summed per genre by a kernel (Parzen 1962)
- kernel ridge regression on the genres (Saunders, Gammerman & Vovk 1998) with a Gaussian kernel

Which of them is best differs from one collection to another. Shrinkage, bandwidth and ridge, and how much each expert
counts in the sum of their logits (a logarithmic opinion pool, Genest & Zidek 1986), minimise the cross-entropy of
training clips that experts fitted without these clips' groups (artists, albums) have predicted.

Suffixes: I clips, W windows of each to fit to, J windows of each to judge by, N all windows, B windows, M mel bands,
T frames, F statistics, C genres, K stored clips per genre, E experts.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.networks.lda_expert import (
    FLATTEST,
    FORGOTTEN,
    ClipWindows,
    compare_with,
    full_float32,
    standardised,
)
from core.models.networks.window_statistics import WindowStatistics
from core.models.registry import FRAME_SECONDS
from core.util.parallel import cores, ordered_map, single_threaded_torch

EXPERTS = ("discriminant", "memory", "kernel")
SHRINKAGES = (0.1, 0.3, 0.6)
BANDWIDTHS = (2.0, 3.0, 5.0, 10.0)
RIDGES = (0.1, 0.3, 1.0)
KERNEL_WIDTH = 0.5
"""Exponent of the kernel between two clips as far apart as the average clip is from the mean of all."""
LIKELY_WEIGHT = 2.0
"""Of an expert in the sum, in units of the deviation of its logits: the deviation of a Gaussian prior around 0."""


class Statistics(Protocol):
    """A module that maps windows [B, M, T] to ``count`` numbers each, [B, F]."""

    count: int

    def __call__(self, mel_BMT: Tensor) -> Tensor: ...


class ExpertSettings(NamedTuple):
    """What is chosen on the training clips; the defaults are for too few groups to choose by."""

    shrinkage: float = 0.3
    """Share of the diagonal in the covariance that the discriminant uses, at least (Friedman 1989)."""
    memory_shrinkage: float = 0.3
    bandwidth: float = 5.0
    """Of the kernel around each stored clip, in standard deviations within genres."""
    ridge: float = 0.3
    weights: tuple[float, float, float] = (0.15, 0.0, 3.0)
    """Factors of the experts' logits, in the order of `EXPERTS`."""


class ExpertEnsemble(nn.Module):
    """Log-mel windows [B, M, T] in dB → logits [B, genres], all alike until it is fitted."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    clips: Tensor
    clip_weight: Tensor
    clip_bias: Tensor
    coefficients: Tensor
    settings: Tensor
    accuracies: Tensor

    def __init__(
        self,
        n_mels: int,
        genres: int,
        *,
        frame_seconds: float,
        memory: int,
        statistics: Statistics | None = None,
    ) -> None:
        """Args:
        frame_seconds: from one frame of a window to the next.
        memory: most stored clips per genre.
        statistics: what is compared; by default `WindowStatistics`.
        """
        super().__init__()
        self.frame_seconds = frame_seconds
        self.statistics = WindowStatistics(n_mels) if statistics is None else statistics
        count = self.statistics.count
        shapes = {
            "mean": (count,),
            "std": (count,),
            "weight": (genres, count),
            "bias": (genres,),
            "clips": (genres, memory, count),
            "clip_weight": (genres, memory, count),
            "clip_bias": (genres, memory),
            "coefficients": (genres, memory, genres),
            "settings": (8,),  # of ExpertSettings, and the kernel's exponent per squared distance
            "accuracies": (len(EXPERTS) + 1,),  # of each expert and their sum, on clips of groups not fitted to
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, mel_BMT: Tensor) -> Tensor:
        # bfloat16 is too coarse for covariances of hundreds of statistics.
        with torch.autocast(mel_BMT.device.type, enabled=False), full_float32(mel_BMT.device):
            features_BF = standardised(self.measured(mel_BMT), self.mean, self.std)
            temperature, exponent, weights_E = self.settings[2].square(), self.settings[7], self.settings[4:7]
            temperature = temperature.clamp_min(1e-3)  # before the fit
            by_means_BC = F.linear(features_BF, self.weight, self.bias)
            each_BCK = torch.einsum("bf,ckf->bck", features_BF, self.clip_weight) + self.clip_bias
            by_clips_BC = temperature * torch.logsumexp(each_BCK / temperature, dim=2)
            near_BN = torch.exp(-exponent * _squared_distances(features_BF, self.clips.flatten(0, 1)))
            by_kernel_BC = near_BN @ self.coefficients.flatten(0, 1)
            return weights_E[0] * by_means_BC + weights_E[1] * by_clips_BC + weights_E[2] * by_kernel_BC

    def measured(self, mel_BMT: Tensor) -> Tensor:
        """The statistics of windows, [B, F], by time: windows of other frames than `FRAME_SECONDS` are resampled.

        So every statistic means the same length of time at any hop.
        """
        frames = mel_BMT.shape[2]
        wanted = max(1, round(frames * self.frame_seconds / FRAME_SECONDS))
        # A hop that is nearly the standard one is taken for it: resampling would only smooth.
        if abs(wanted - frames) > 0.02 * frames:
            mode = "linear" if wanted > frames else "area"
            mel_BMT = F.interpolate(mel_BMT.float(), size=wanted, mode=mode)
        statistics_BF: Tensor = self.statistics(mel_BMT)
        return statistics_BF

    @torch.no_grad()
    def fit(self, to: Iterable[ClipWindows], by: Iterable[ClipWindows], folds_I: Tensor) -> Tensor | None:
        """Fits to windows of the training set, every genre counting the same, after choosing the settings.

        Args:
            to: windows to fit to, the same number of each clip.
            by: windows of the same clips, in the same order, as the network will be given them.
            folds_I: the inner fold of each clip; clips of one group are in one fold.

        Returns:
            As `fit_measured`.
        """
        features_IWF, labels_I = self._measured(to)
        judged_IJF, _ = self._measured(by)
        return self.fit_measured(features_IWF, judged_IJF, labels_I, folds_I)

    @torch.no_grad()
    def fit_measured(
        self, features_IWF: Tensor, judged_IJF: Tensor, labels_I: Tensor, folds_I: Tensor
    ) -> Tensor | None:
        """As `fit`, for statistics that `measured` gave of the windows; labels [I].

        Returns:
            The logits [I, C] float64 that experts fitted without a clip's fold give it; None for a single fold.
        """
        held_out_IC = None
        std_F, mean_F = torch.std_mean(features_IWF.flatten(0, 1), dim=0)
        std_F = std_F.clamp_min(FLATTEST)
        self.mean.copy_(mean_F)
        self.std.copy_(std_F)
        alike = judged_IJF is features_IWF
        features_IWF = standardised(features_IWF, mean_F, std_F)
        judged_IJF = features_IWF if alike else standardised(judged_IJF, mean_F, std_F)
        folds_I = folds_I.to(labels_I.device)
        exponent = KERNEL_WIDTH / max(1e-6, float(features_IWF.mean(1).var(dim=0).sum()))
        settings = ExpertSettings()
        if folds_I.min() < folds_I.max():
            settings, accuracies, held_out_IC = _choose(
                features_IWF.float(), judged_IJF.float(), labels_I, folds_I, len(self.bias), exponent
            )
            self.accuracies.copy_(torch.tensor(accuracies))
        self.settings.copy_(torch.tensor([*settings[:4], *settings.weights, exponent]))
        self._fit(features_IWF, labels_I, settings, exponent)
        return held_out_IC

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiplies the logits."""
        self.settings[4:7] *= factor

    def describe(self) -> dict[str, float | dict[str, float]]:
        """What was chosen: the settings, and for each expert its weight and its accuracy on groups not fitted to."""
        # Rounded, since single precision stores 0.1 as 0.10000000149.
        values, accuracies = ([round(value, 6) for value in row.tolist()] for row in (self.settings, self.accuracies))
        names = (*EXPERTS, "ensemble")
        return dict(zip(ExpertSettings._fields, values[:4], strict=False)) | {
            "weights": dict(zip(EXPERTS, values[4:7], strict=True)),
            "accuracies": dict(zip(names, accuracies, strict=True)),
        }

    def _fit(self, features_IWF: Tensor, labels_I: Tensor, settings: ExpertSettings, exponent: float) -> None:
        genres, memory = self.clip_bias.shape
        means_CF, covariance_FF, unknown = _within_genres(features_IWF, labels_I, genres)
        compare_with(means_CF, _factored(covariance_FF, max(settings.shrinkage, unknown)), self.weight, self.bias)
        lower_FF = _factored(covariance_FF, max(settings.memory_shrinkage, unknown))
        clips_IF = features_IWF.mean(1)
        for buffer in (self.clips, self.clip_weight, self.coefficients):
            buffer.zero_()
        self.clip_bias.fill_(FORGOTTEN)
        kept: list[Tensor] = []
        for genre in range(genres):
            of_genre = (labels_I == genre).nonzero()[:, 0]
            even = torch.linspace(0, len(of_genre) - 1, min(memory, len(of_genre)), device=of_genre.device)
            kept.append(of_genre[even.round().long()])
            known_KF = clips_IF[kept[-1]] if len(of_genre) else means_CF[genre : genre + 1]
            count = len(known_KF)
            self.clips[genre, :count] = known_KF.float()
            compare_with(known_KF, lower_FF, self.clip_weight[genre, :count], self.clip_bias[genre, :count])
            self.clip_bias[genre, :count] -= settings.bandwidth**2 * math.log(
                count
            )  # no genre is likelier for its size
        all_kept = torch.cat(kept)
        kernel_NN = _kernel(clips_IF[all_kept], clips_IF[all_kept], exponent)
        solution_NC = _ridge_solution(kernel_NN, labels_I[all_kept], genres, settings.ridge)
        for genre, rows_KC in enumerate(torch.split(solution_NC, [len(part) for part in kept])):
            self.coefficients[genre, : len(rows_KC)] = rows_KC.float()

    def _measured(self, clips: Iterable[ClipWindows]) -> tuple[Tensor, Tensor]:
        """The statistics of all clips' windows, [I, W, F] float64, and the clips' labels, [I]."""
        features, labels = [], []
        for mel_IWMT, labels_I in clips:
            with full_float32(mel_IWMT.device):
                features.append(self.measured(mel_IWMT.flatten(0, 1)).view(*mel_IWMT.shape[:2], -1).double())
            labels.append(labels_I)
        return torch.cat(features), torch.cat(labels)


def _choose(
    features_IWF: Tensor, judged_IJF: Tensor, labels_I: Tensor, folds_I: Tensor, genres: int, exponent: float
) -> tuple[ExpertSettings, list[float], Tensor]:
    """The settings with the lowest cross-entropy on held-out folds, the accuracies of `describe`, and their logits.

    Single precision will do: every covariance here is shrunk.
    """
    clips, windows = judged_IJF.shape[:2]

    def predicted(held_I: Tensor) -> dict[tuple[float, ...], Tensor]:
        """Setting → logits of the held-out clips."""
        logits: dict[tuple[float, ...], Tensor] = {}
        known_IF, known_labels_I = features_IWF[~held_I].mean(1), labels_I[~held_I]
        means_CF, covariance_FF, unknown = _within_genres(features_IWF[~held_I], known_labels_I, genres)
        held_NF = judged_IJF[held_I].flatten(0, 1)
        points_PF = torch.cat([means_CF, known_IF])
        near: dict[float, Tensor] = {}  # of few windows every shrinkage makes the same covariance
        for shrinkage in SHRINKAGES:
            share = max(shrinkage, unknown)
            if share not in near:
                lower_FF = _factored(covariance_FF, share)
                points_FP = torch.linalg.solve_triangular(lower_FF, points_PF.T, upper=False)
                held_FN = torch.linalg.solve_triangular(lower_FF, held_NF.T, upper=False)
                near[share] = held_FN.T @ points_FP - 0.5 * points_FP.square().sum(0)
            near_NP = near[share]
            logits[0, shrinkage] = near_NP[:, :genres]
            for bandwidth in BANDWIDTHS:
                by_clips_NC = _by_genre(near_NP[:, genres:] / bandwidth**2, known_labels_I, genres)
                logits[1, shrinkage, bandwidth] = bandwidth**2 * by_clips_NC
        kernel_II, kernel_NI = (_kernel(x, known_IF, exponent) for x in (known_IF, held_NF))
        for ridge in RIDGES:
            logits[2, ridge] = kernel_NI @ _ridge_solution(kernel_II, known_labels_I, genres, ridge)
        return {one: logits_NC.view(-1, windows, genres).mean(1).double() for one, logits_NC in logits.items()}

    parts = [folds_I == fold for fold in sorted(set(folds_I.tolist()))]
    with single_threaded_torch():
        by_part = list(ordered_map(predicted, parts, cores() if folds_I.device.type == "cpu" else 1))
    logits = {one: labels_I.new_zeros(clips, genres, dtype=torch.float64) for one in by_part[0]}
    for held_I, of_part in zip(parts, by_part, strict=True):
        for one, logits_NC in of_part.items():
            logits[one][held_I] = logits_NC

    best = []
    for expert in range(len(EXPERTS)):
        losses = {one: pooled([logits[one]], labels_I)[1] for one in logits if one[0] == expert}
        best.append(min(losses, key=lambda one: losses[one]))
    chosen = [logits[one] for one in best]
    weights, _ = pooled(chosen, labels_I)
    together_IC = sum((w * one for w, one in zip(weights, chosen, strict=True)), torch.zeros_like(chosen[0]))
    accuracies = [float((one.argmax(1) == labels_I).double().mean()) for one in (*chosen, together_IC)]
    (_, shrinkage), (_, memory_shrinkage, bandwidth), (_, ridge) = best
    settings = ExpertSettings(shrinkage, memory_shrinkage, bandwidth, ridge, (weights[0], weights[1], weights[2]))
    return settings, accuracies, together_IC


def pooled(logits: list[Tensor], labels_I: Tensor) -> tuple[list[float], float]:
    """The factors of the experts' logits whose sum has the lowest cross-entropy (convex in them), and that.

    Of few clips they are shrunk by a prior: experts that know a handful of clips by chance get no certainty from it.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    logits_EIC = torch.stack(logits).cpu()
    scale_E = logits_EIC.std(dim=(1, 2)).clamp_min(1e-9)  # of the same order for the optimiser
    logits_EIC, labels_I = logits_EIC / scale_E[:, None, None], labels_I.cpu()

    def loss(weights: list[float]) -> tuple[float, list[float]]:
        weights_E = torch.tensor(weights, dtype=torch.float64)
        sums_IC = torch.einsum("e,eic->ic", weights_E, logits_EIC)
        error_IC = (sums_IC.softmax(1) - F.one_hot(labels_I, sums_IC.shape[1])) / len(labels_I)
        prior_E = weights_E / LIKELY_WEIGHT**2 / len(labels_I)
        gradient_E = torch.einsum("eic,ic->e", logits_EIC, error_IC) + prior_E
        return float(F.cross_entropy(sums_IC, labels_I) + weights_E @ prior_E / 2), gradient_E.tolist()

    found = minimize(loss, [1.0 / len(logits)] * len(logits), jac=True, bounds=[(0.0, None)] * len(logits))
    return [weight / scale for weight, scale in zip(found.x.tolist(), scale_E.tolist(), strict=True)], float(found.fun)


def _within_genres(features_IWF: Tensor, labels_I: Tensor, genres: int) -> tuple[Tensor, Tensor, float]:
    """The genres' means [C, F] and the covariance around them [F, F], every genre weighing the same, and the share of

    the diagonal that it needs at least, because with fewer windows than statistics it is singular.
    """
    features_NF, labels_N = features_IWF.flatten(0, 1), labels_I.repeat_interleave(features_IWF.shape[1])
    one_hot_NC = F.one_hot(labels_N, genres).to(features_IWF.dtype)
    shares_NC = one_hot_NC / one_hot_NC.sum(0).clamp_min(1)
    means_CF = shares_NC.T @ features_NF
    within_NF = (features_NF - means_CF[labels_N]) * shares_NC.sum(1, keepdim=True).sqrt()
    unknown = 1 - (len(features_NF) - genres) / features_NF.shape[1]
    return means_CF, within_NF.T @ within_NF / shares_NC.sum(), unknown


def _factored(covariance_FF: Tensor, shrinkage: float) -> Tensor:
    """The Cholesky factor of the covariance with this share of its diagonal, 1 at most."""
    diagonal_FF = covariance_FF.diagonal().clamp_min(1e-6).diag()
    lower_FF: Tensor = torch.linalg.cholesky(torch.lerp(covariance_FF, diagonal_FF, min(1.0, shrinkage)))
    return lower_FF


def _by_genre(near_NI: Tensor, labels_I: Tensor, genres: int) -> Tensor:
    """The logarithm of the mean kernel of each genre's clips, [N, C]; very low for a genre without any."""
    by_genre = []
    for genre in range(genres):
        of_genre = near_NI[:, labels_I == genre]
        clips = of_genre.shape[1]
        empty_N = near_NI.new_full((len(near_NI),), near_NI.min().item())
        by_genre.append(torch.logsumexp(of_genre, dim=1) - math.log(clips) if clips else empty_N)
    return torch.stack(by_genre, dim=1)


def _ridge_solution(kernel_II: Tensor, labels_I: Tensor, genres: int, ridge: float) -> Tensor:
    """Coefficients [I, C] of kernel ridge regression on the genres' indicators, every genre weighing the same."""
    counts_C = torch.bincount(labels_I, minlength=genres).to(kernel_II.dtype)
    noise_I = counts_C[labels_I] * (counts_C > 0).sum() / len(labels_I) * ridge
    targets_IC = F.one_hot(labels_I, genres).to(kernel_II.dtype) - 1 / genres
    solution_IC: Tensor = torch.cholesky_solve(targets_IC, torch.linalg.cholesky(kernel_II + noise_I.diag()))
    return solution_IC


def _kernel(x_NF: Tensor, y_IF: Tensor, exponent: float) -> Tensor:
    return torch.exp(-exponent * _squared_distances(x_NF, y_IF))


def _squared_distances(x_NF: Tensor, y_IF: Tensor) -> Tensor:
    squared_NI: Tensor = x_NF.square().sum(1, keepdim=True) + y_IF.square().sum(1) - 2 * x_NF @ y_IF.T
    nonnegative_NI: Tensor = torch.clamp_min(squared_NI, 0)
    return nonnegative_NI
