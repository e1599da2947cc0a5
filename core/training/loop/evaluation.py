"""Logits and labels of a set of clips, and the metrics that follow from them. N clips, C genres."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
