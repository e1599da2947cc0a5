"""How far a trained network may be believed: fitted to validation clips, stored with the weights, used by inference.

Three things: the temperature that makes probabilities honest (Guo et al. 2017, "On calibration of modern neural
networks"), the entropy above which a verdict is called uncertain, and how unlike the training set a window may be.
"""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from core.features.settings import FrontEndSettings
from core.models.texture import distance, fit_texture, texture

TEMPERATURE_SPREAD = 0.5
"""Standard deviation of log temperature before any evidence: a dozen validation clips do not make a network sure."""
ENTROPY_QUANTILE = 0.95
"""Share of the right validation verdicts that keep below the entropy limit."""
ENTROPY_BOUNDS = (0.5, 0.95)
TYPICAL_QUANTILE = 0.99
"""Share of validation windows that keep within the limit of being unlike the training set."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored under ``calibration`` in a model file. The defaults are those of a model without one."""

    temperature: float = 1.0
    """Logits are divided by it."""
    entropy_limit: float = 0.85
    """Entropy above which a verdict is uncertain, as a fraction of the largest possible."""
    window_seconds: float = 3.0
    """Length of the windows that this was fitted on."""
    texture_mean: list[float] = []
    texture_precision: list[list[float]] = []
    texture_limit: float | None = None
    """Distance from the training windows beyond which sound is none of what the model knows."""


def calibrate(
    model: nn.Module,
    train: Iterable[Tensor],
    valid: Iterable[Tensor],
    labels: Tensor,
    settings: FrontEndSettings,
    *,
    window_seconds: float = 3.0,
) -> dict[str, Any]:
    """Fits a `Calibration` and returns it as plain values for the model file.

    Args:
        model: in evaluation mode.
        train, valid: clip after clip, that clip's windows [W, M, T] in dB (see `cut`).
        labels: [number of validation clips], the true classes.
    """
    device = next(model.parameters()).device
    mean_F, precision_FF = fit_texture(torch.cat([texture(clip.to(device), settings) for clip in train]))
    logits, distances = [], []
    with torch.inference_mode():
        for windows_WMT in valid:
            on_device = windows_WMT.to(device)
            logits.append(model(on_device).float().mean(0))
            distances.append(distance(texture(on_device, settings), mean_F, precision_FF))
    logits_NC, labels_N = torch.stack(logits).cpu(), labels.cpu()
    temperature = fit_temperature(logits_NC, labels_N)
    fitted = Calibration(
        temperature=temperature,
        entropy_limit=fit_entropy_limit((logits_NC / temperature).softmax(1), labels_N),
        window_seconds=window_seconds,
        texture_mean=mean_F.tolist(),
        texture_precision=precision_FF.tolist(),
        texture_limit=max(1.0, float(torch.cat(distances).quantile(TYPICAL_QUANTILE))),
    )
    plain: dict[str, Any] = msgspec.to_builtins(fitted)
    return plain


def cut(mel_MT: Tensor, frames: int) -> Tensor:
    """A clip [M, T] → its windows [W, M, frames] side by side, each relative to its own maximum as at inference.

    What is left at the end makes no window; a clip shorter than one window is one, at its own length.
    """
    frames = min(frames, mel_MT.shape[1])
    count = mel_MT.shape[1] // frames
    windows_WMT = mel_MT[:, : count * frames].reshape(-1, count, frames).transpose(0, 1).float()
    relative: Tensor = windows_WMT - windows_WMT.amax((1, 2), keepdim=True)
    return relative


def fit_temperature(logits_NC: Tensor, labels_N: Tensor) -> float:
    """The most probable temperature: likelihood of the labels times a log-normal prior around 1."""
    logits_NC = logits_NC.double()

    def cost(log_temperature: float) -> float:
        nll = nn.functional.cross_entropy(logits_NC / math.exp(log_temperature), labels_N, reduction="sum")
        return float(nll) + log_temperature**2 / (2 * TEMPERATURE_SPREAD**2)

    low, high = -3.0, 3.0
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return math.exp((low + high) / 2)


def fit_entropy_limit(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The entropy below which nearly all right verdicts lie, as a fraction of the largest possible."""
    right_N = probabilities_NC.argmax(1) == labels_N
    if not right_N.any():
        return ENTROPY_BOUNDS[0]
    entropies = relative_entropy(probabilities_NC[right_N])
    return min(max(float(entropies.quantile(ENTROPY_QUANTILE)), ENTROPY_BOUNDS[0]), ENTROPY_BOUNDS[1])


def relative_entropy(probabilities_NC: Tensor) -> Tensor:
    """Entropy of each row, divided by that of the uniform distribution: from 0 (sure) to 1 (no idea)."""
    entropy_N: Tensor = torch.special.entr(probabilities_NC).sum(1)
    return entropy_N / math.log(probabilities_NC.shape[1])


def expected_calibration_error(probabilities_NC: Tensor, labels_N: Tensor, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over bins of equal width (Guo et al. 2017), in [0, 1]."""
    confidence_N, predicted_N = probabilities_NC.double().max(1)
    right_N = (predicted_N == labels_N).double()
    bin_N = (confidence_N * bins).long().clamp_max(bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, bin_N.cpu(), (confidence_N - right_N).cpu())
    return float(gaps.abs().sum() / len(labels_N))
