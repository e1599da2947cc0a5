"""Logits and labels of clips, metrics computed from them, and temperature scaling.

Suffixes: N clips, C genres.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 15
DRAWS = 1000

LOWEST, HIGHEST = 0.5, 5.0
"""Bounds of the temperature, which would be 0 if all of a few validation clips were predicted correctly."""


@dataclass(frozen=True)
class Evaluation:
    """Logits [N, C] and labels [N], on the CPU."""

    logits: Tensor
    labels: Tensor

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(F.cross_entropy(self.logits, self.labels))

    @property
    def predictions(self) -> Tensor:
        """[N] indices of genres."""
        return self.logits.argmax(1)

    @property
    def accuracy(self) -> float:
        return float((self.predictions == self.labels).double().mean())

    @property
    def confusion(self) -> Tensor:
        """[C, C] counts; rows: true genre, columns: predicted genre."""
        genres = self.logits.shape[1]
        cells = torch.bincount(self.labels * genres + self.predictions, minlength=genres * genres)
        return cells.reshape(genres, genres)

    @property
    def genre_accuracy(self) -> list[float | None]:
        """Recall per genre; None for a genre without clips."""
        confusion = self.confusion
        rows = zip(confusion.diag().tolist(), confusion.sum(1).tolist(), strict=True)
        return [right / clips if clips else None for right, clips in rows]

    def probabilities(self, temperature: float = 1.0) -> Tensor:
        """[N, C]; ``temperature`` is the calibration's."""
        return (self.logits / temperature).softmax(1)


def calibrate(validation: Evaluation) -> dict[str, float]:
    """Fit the temperature to the validation clips (Guo et al. 2017) and compute the calibration error.

    Returns:
        ``temperature``; ``ece_valid`` and ``nll_valid``, calibration error and mean cross-entropy with it;
        ``ece_uncalibrated``, the error without it; ``clips``, the number of clips.
    """
    temperature = fit_temperature(validation.logits, validation.labels)
    return {
        "temperature": temperature,
        "ece_valid": calibration_error(validation.probabilities(temperature), validation.labels),
        "nll_valid": float(F.cross_entropy(validation.logits / temperature, validation.labels)),
        "ece_uncalibrated": calibration_error(validation.probabilities(), validation.labels),
        "clips": float(len(validation.labels)),
    }


def fit_temperature(logits_NC: Tensor, labels_N: Tensor) -> float:
    """The temperature with the lowest cross-entropy, by bisection to a ten-thousandth of it.

    The cross-entropy is convex in 1 / temperature, and its slope there is the mean logit that the probabilities expect
    less that of the labels. (SciPy's optimisers would do, but take up to 0.3 s of the first epoch to import.)
    """
    logits_NC = logits_NC.double()
    label_N = logits_NC.gather(1, labels_N[:, None])[:, 0]
    low, high = math.log(LOWEST), math.log(HIGHEST)
    while high - low > 1e-4:
        middle = (low + high) / 2
        expected_N = ((logits_NC / math.exp(middle)).softmax(1) * logits_NC).sum(1)
        if float((expected_N - label_N).mean()) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def calibration_error(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """Expected calibration error in [0, 1]: mean distance between confidence and accuracy over bins of equal width.

    See Naeini, Cooper & Hauskrecht (2015).
    """
    confidence_N, predicted_N = probabilities_NC.double().max(1)
    return float(_gaps(confidence_N, (predicted_N == labels_N).double()[None]))


def calibration_noise(probabilities_NC: Tensor) -> float:
    """The mean calibration error of a perfectly calibrated model with these probabilities.

    It is not 0 for a finite number of clips, because each bin's accuracy is random (Bröcker & Smith 2007). It is
    averaged over `DRAWS` sets of outcomes drawn from the probabilities.
    """
    confidence_N = probabilities_NC.double().amax(1)
    chances_DN = torch.rand(DRAWS, len(confidence_N), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return float(_gaps(confidence_N, (chances_DN < confidence_N.cpu()).double()).mean())


def _gaps(confidence_N: Tensor, correct_DN: Tensor) -> Tensor:
    """Mean distance between confidence and accuracy over bins of equal width, for D sets of outcomes: [D]."""
    bin_N = (confidence_N * BINS).long().clamp_max(BINS - 1)
    gap_DB = torch.zeros(len(correct_DN), BINS, dtype=torch.float64).index_add_(1, bin_N, correct_DN - confidence_N)
    return gap_DB.abs().sum(1) / len(confidence_N)
