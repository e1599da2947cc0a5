"""Three experts over window statistics, fitted in closed form, whose settings are chosen on the training clips.

- discriminant: every genre's mean, compared by the Mahalanobis distance within genres and clips (Fisher 1936)
- memory: every training clip, compared by that within genres, and summed per genre by a kernel (Parzen 1962)
- kernel ridge regression on the genres (Saunders, Gammerman & Vovk 1998) with a Laplacian kernel of the L1 distance

Which of them is best depends on the collection; `expert_choice` chooses the settings.

Suffixes: I clips, W windows of each to fit to, J windows of each to evaluate on, N all windows, B windows, M mel bands,
T frames, F statistics, D those that the kernel compares, C genres, K stored clips per genre, E experts.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.networks.expert_choice import (
    CLIP_SPREAD,
    EXPERTS,
    ExpertSettings,
    average_distance,
    choose,
    distances,
    distances_among,
    factored,
    ridge_solution,
    squared_distances,
    within_clips,
    within_genres,
)
from core.models.networks.lda_expert import (
    FLATTEST,
    FORGOTTEN,
    ClipWindows,
    StatisticsExpert,
    compare_with,
    full_float32,
    standardised,
)
from core.models.networks.window_statistics import WindowStatistics
from core.models.registry import FRAME_SECONDS


class Statistics(Protocol):
    """A module that maps windows [B, M, T] to ``count`` numbers each, [B, F]."""

    count: int
    compared_by_kernel: Tensor
    """Indices of those that the kernel compares, [D]."""

    def __call__(self, mel_BMT: Tensor) -> Tensor: ...


class ExpertEnsemble(nn.Module):
    """Log-mel windows [B, M, T] in dB → logits [B, genres], which are all equal before `fit`."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    columns: Tensor
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
        frame_seconds: the hop between frames.
        memory: most stored clips per genre.
        statistics: the module that computes what is compared; by default `WindowStatistics`.
        """
        super().__init__()
        self.frame_seconds = frame_seconds
        self.statistics = WindowStatistics(n_mels) if statistics is None else statistics
        count = self.statistics.count
        self.register_buffer("columns", self.statistics.compared_by_kernel, persistent=False)
        shapes = {
            "mean": (count,),
            "std": (count,),
            "weight": (genres, count),
            "bias": (genres,),
            "clips": (genres, memory, len(self.columns)),
            "clip_weight": (genres, memory, count),
            "clip_bias": (genres, memory),
            "coefficients": (genres, memory, genres),
            # Shrinkages, bandwidth, ridge, weights, and the kernel's exponents for squared and L1 distances, one of
            # which is 0.
            "settings": (9,),
            "accuracies": (len(EXPERTS) + 1,),  # of each expert and of their sum, out of fold
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.is_gaussian = False
        """Whether the kernel is of squared distances, as in models of earlier versions. ``settings`` say so, too, but
        reading them would wait for the GPU in every forward pass."""

    def forward(self, mel_BMT: Tensor) -> Tensor:
        # bfloat16 is too coarse for covariances of hundreds of statistics.
        with torch.autocast(mel_BMT.device.type, enabled=False), full_float32(mel_BMT.device):
            features_BF = standardised(self.measured(mel_BMT), self.mean, self.std)
            temperature, exponents, weights_E = self.settings[2].square(), self.settings[7:], self.settings[4:7]
            temperature = temperature.clamp_min(1e-3)  # it is 0 before the fit
            by_means_BC = F.linear(features_BF, self.weight, self.bias)
            each_BCK = torch.einsum("bf,ckf->bck", features_BF, self.clip_weight) + self.clip_bias
            by_clips_BC = temperature * torch.logsumexp(each_BCK / temperature, dim=2)
            compared_BD, clips_ND = features_BF.index_select(1, self.columns), self.clips.flatten(0, 1)
            if self.is_gaussian:
                far_BN = exponents[0] * squared_distances(compared_BD, clips_ND)
            else:
                far_BN = exponents[1] * distances(compared_BD, clips_ND)
            by_kernel_BC = torch.exp(-far_BN) @ self.coefficients.flatten(0, 1)
            return weights_E[0] * by_means_BC + weights_E[1] * by_clips_BC + weights_E[2] * by_kernel_BC

    def measured(self, mel_BMT: Tensor) -> Tensor:
        """The statistics of windows, [B, F]. Windows with another hop than `FRAME_SECONDS` are resampled first.

        Every statistic thus covers the same length of time at any hop.
        """
        frames = mel_BMT.shape[2]
        wanted = max(1, round(frames * self.frame_seconds / FRAME_SECONDS))
        # A hop close to the standard one is left alone, because resampling would only smooth.
        if abs(wanted - frames) > 0.02 * frames:
            mode = "linear" if wanted > frames else "area"
            mel_BMT = F.interpolate(mel_BMT.float(), size=wanted, mode=mode)
        statistics_BF: Tensor = self.statistics(mel_BMT)
        return statistics_BF

    @torch.no_grad()
    def fit(self, to: Iterable[ClipWindows], by: Iterable[ClipWindows], folds_I: Tensor) -> Tensor | None:
        """Choose the settings and fit to windows of the training set, with equal weight for all genres.

        Args:
            to: windows to fit to, the same number of each clip.
            by: windows of the same clips, in the same order, as they are used at inference.
            folds_I: the inner fold of each clip; clips of one group are in one fold.

        Returns:
            As `fit_measured`.
        """
        features_IWF, labels_I = self._measured(to)
        eval_IJF, _ = self._measured(by)
        return self.fit_measured(features_IWF, eval_IJF, labels_I, folds_I)

    @torch.no_grad()
    def fit_measured(
        self, features_IWF: Tensor, eval_IJF: Tensor | None, labels_I: Tensor, folds_I: Tensor
    ) -> Tensor | None:
        """As `fit`, from the results of `measured`; labels [I].

        Args:
            eval_IJF: None to evaluate whole clips by the means of the windows that are fitted to.

        Returns:
            Out-of-fold logits [I, C] float64; None for a single fold.
        """
        held_out_IC = None
        std_F, mean_F = torch.std_mean(features_IWF.flatten(0, 1), dim=0)
        std_F = std_F.clamp_min(FLATTEST)
        self.mean.copy_(mean_F)
        self.std.copy_(std_F)
        features_IWF = standardised(features_IWF, mean_F, std_F)
        eval_IJF = None if eval_IJF is None else standardised(eval_IJF, mean_F, std_F).float()
        folds_I = folds_I.to(labels_I.device)
        clips_IF = features_IWF.mean(1)
        self._compare(self.statistics.compared_by_kernel)
        apart_II = distances_among(clips_IF[:, self.columns])
        settings = ExpertSettings()
        if folds_I.min() < folds_I.max():
            settings, accuracies, held_out_IC = choose(
                features_IWF.float(), eval_IJF, labels_I, folds_I, len(self.bias), self.columns, apart_II.float()
            )
            self.accuracies.copy_(torch.tensor(accuracies))
        exponent = settings.exponent / average_distance(apart_II)
        self.settings.copy_(torch.tensor([*settings[:4], *settings.weights, 0.0, exponent]))
        self.is_gaussian = False
        self._fit(features_IWF, labels_I, settings, torch.exp(-exponent * apart_II))
        return held_out_IC

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiplies the logits."""
        self.settings[4:7] *= factor

    def describe(self) -> dict[str, float | dict[str, float]]:
        """The chosen settings, and the weight and out-of-fold accuracy of each expert."""
        # Rounded, because 0.1 is 0.10000000149 in single precision.
        rows = (self.settings, self.accuracies)
        values, accuracies = ([float(f"{value:.6g}") for value in row.tolist()] for row in rows)
        names = (*EXPERTS, "ensemble")
        return {
            **dict(zip(ExpertSettings._fields, values[:4], strict=False)),
            "exponent": max(values[7:]),
            "weights": dict(zip(EXPERTS, values[4:7], strict=True)),
            "accuracies": dict(zip(names, accuracies, strict=True)),
        }

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Also loads models of earlier versions, whose kernel is Gaussian or compares all statistics."""
        settings = state_dict.get(f"{prefix}settings")
        if isinstance(settings, Tensor) and settings.shape == (8,):
            settings = state_dict[f"{prefix}settings"] = F.pad(settings, (0, 1))
        self.is_gaussian = isinstance(settings, Tensor) and settings.shape == (9,) and bool(settings[7] > 0)
        clips, count = state_dict.get(f"{prefix}clips"), len(self.mean)
        if isinstance(clips, Tensor) and clips.shape[-1:] == (count,):
            self._compare(torch.arange(count))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _compare(self, columns_D: Tensor) -> None:
        """Let the kernel compare these statistics; its stored clips are lost if they had others."""
        if len(columns_D) != len(self.columns):
            self.columns = columns_D.to(self.mean.device)
            self.clips = self.clips.new_zeros(*self.clips.shape[:2], len(columns_D))

    def _fit(self, features_IWF: Tensor, labels_I: Tensor, settings: ExpertSettings, kernel_II: Tensor) -> None:
        genres, memory = self.clip_bias.shape
        means_CF, covariance_FF, unknown = within_genres(features_IWF, labels_I, genres)
        spread_FF = covariance_FF + CLIP_SPREAD * within_clips(features_IWF)
        compare_with(means_CF, factored(spread_FF, max(settings.shrinkage, unknown)), self.weight, self.bias)
        lower_FF = factored(covariance_FF, max(settings.memory_shrinkage, unknown))
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
            self.clips[genre, :count] = known_KF[:, self.columns].float()
            compare_with(known_KF, lower_FF, self.clip_weight[genre, :count], self.clip_bias[genre, :count])
            # A genre must not be likelier because it has more clips.
            self.clip_bias[genre, :count] -= settings.bandwidth**2 * math.log(count)
        all_kept = torch.cat(kept)
        solution_NC = ridge_solution(kernel_II[all_kept][:, all_kept], labels_I[all_kept], genres, settings.ridge)
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


def leave_out_empty_places(model: nn.Module) -> None:
    """Shrink the memory of every fitted expert in ``model`` to the most clips stored for a genre, in place.

    This is for evaluation: the logits stay the same and are computed faster.
    """
    for module in model.modules():
        if isinstance(module, ExpertEnsemble | StatisticsExpert):
            most = max(1, int((module.clip_bias > FORGOTTEN).sum(1).max()))
            for name in ("clips", "clip_weight", "clip_bias", "coefficients"):
                if hasattr(module, name):
                    setattr(module, name, getattr(module, name)[:, :most].contiguous())
