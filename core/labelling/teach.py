"""Active learning: an expert that is refitted after each label, and the choice of the clip to label next.

The expert is a linear discriminant over all windows of the labelled clips (Fisher 1936), whose shrunk covariance
(Friedman 1989) works with a few clips. The next clip is one whose two likeliest genres are close (margin sampling:
Scheffer, Decomain & Wrobel 2001), preferably of a genre with few labels so far, which keeps the labels diverse. While
there are few labels, it also resembles many clips that resemble none with a label (facility location: Wei, Iyer &
Bilmes 2015): the clips about which a model of few labels is unsure are often outliers (Hacohen, Dekel & Weinshall
2022).

Shapes: N clips of the pool, M of them that stand for all, W windows of each, F statistics, C genres, K labelled clips.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped]
from scipy.linalg.blas import ssyrk  # type: ignore[import-untyped]

from core.inference.decision import softmax
from core.labelling.doubt import FOLDS, Probabilities
from core.labelling.embedding import Floats
from core.labelling.expert import FLATTEST, SHRINKAGE, Labels, clipped
from core.training.evaluation.significance import interval_of_share

LEAST_LABELLED = 10
"""Fewest labelled clips for which an accuracy is computed."""
REPRESENTATIVES = 1_000
"""Most clips that stand for the pool."""
FEW = 4.0
"""Labels per genre up to which coverage counts in full; its exponent then falls as their number grows."""
GAIN = 3.0
"""Factor from standardised logits to log-probabilities; only the order and the display depend on it."""


class Discriminant(NamedTuple):
    """Weights (F, C) and biases (C,) of a linear discriminant, and the number of clips of each genre, (C,)."""

    weight_FC: Floats
    bias_C: Floats
    counts_C: Labels

    @classmethod
    def fit(cls, windows_KWF: Floats, labels_K: Labels, genres: int) -> "Discriminant":
        """Fit to all windows, with equal weight for all genres. Each of the ``genres`` has at least one clip."""
        counts_C = np.bincount(labels_K, minlength=genres)
        means_CF = np.stack([windows_KWF[labels_K == genre].mean((0, 1)) for genre in range(genres)])
        within_KWF = (windows_KWF - means_CF[labels_K][:, None]) / np.sqrt(counts_C[labels_K])[:, None, None]
        within_BF = within_KWF.reshape(-1, within_KWF.shape[2]) * np.float32(
            (1 / (genres * windows_KWF.shape[1])) ** 0.5
        )
        diagonal_F = SHRINKAGE * np.maximum((within_BF**2).sum(0), 1e-3)
        share = 1 - SHRINKAGE
        # Of symmetric products only the upper half is computed and read.
        if len(within_BF) < within_BF.shape[1]:
            # For few windows, the inverse of a diagonal plus a matrix of low rank (Woodbury 1950).
            deviation_F = np.sqrt(diagonal_F)
            scaled_BF = within_BF / deviation_F
            inner_BB = ssyrk(1.0, scaled_BF.T, trans=1)
            inner_BB[np.diag_indices_from(inner_BB)] += np.float32(1 / share)
            scaled_FC = (means_CF / deviation_F).T
            solved_BC = cho_solve(cho_factor(inner_BB, check_finite=False), scaled_BF @ scaled_FC, check_finite=False)
            weight_FC = (scaled_FC - scaled_BF.T @ solved_BC) / deviation_F[:, None]
        else:
            covariance_FF = ssyrk(share, within_BF.T)
            covariance_FF[np.diag_indices_from(covariance_FF)] += diagonal_F
            weight_FC = cho_solve(cho_factor(covariance_FF, check_finite=False), means_CF.T, check_finite=False)
        weight_FC = weight_FC.astype(np.float32)
        return cls(weight_FC, -0.5 * (weight_FC.T * means_CF).sum(1), counts_C)

    def logits(self, clips_NF: Floats) -> Floats:
        """Logits (N, C)."""
        logits_NC: Floats = clips_NF @ self.weight_FC + self.bias_C
        return logits_NC


class Accuracy(NamedTuple):
    """The accuracy for the labelled clips, out of fold, and its 95% interval."""

    share: float
    low: float
    high: float
    clips: int


class Teacher:
    """A pool of clips and a discriminant fitted to their labels. What does not depend on labels is computed once."""

    def __init__(self, embeddings_NWF: Floats, examples_NWF: Floats | None = None, taught: Sequence[str] = ()) -> None:
        """
        Args:
            embeddings_NWF: embeddings of the pool.
            examples_NWF: embeddings of clips of other datasets, whose genres are ``taught``.
        """
        flat_BF = embeddings_NWF.reshape(-1, embeddings_NWF.shape[2])
        self._mean_F, std_F = flat_BF.mean(0), flat_BF.std(0)
        self._std_F = np.where(std_F > FLATTEST, std_F, np.inf).astype(np.float32)
        self._windows_NWF = self._clipped(embeddings_NWF)
        self._clips_NF = self._windows_NWF.mean(1)
        self._examples_NWF = self._windows_NWF[:0] if examples_NWF is None else self._clipped(examples_NWF)
        self._taught = list(taught)
        self._alike: Floats | None = None
        """Cosines of the pool's clips and then the examples with the clips that stand for the pool, (·, M)."""
        self._seen: set[int] = set()
        self._fitted: Discriminant | None = None
        self.genres: list[str] = []

    def fit(self, labels: Mapping[int, str]) -> None:
        """Refit to ``labels``, index in the pool → genre, and the examples."""
        self._seen = set(labels)
        self.genres = sorted({*labels.values(), *self._taught})
        self._fitted = self._discriminant(labels, self.genres) if self.genres else None

    def _discriminant(self, labels: Mapping[int, str], genres: Sequence[str]) -> Discriminant:
        index = {genre: i for i, genre in enumerate(genres)}
        windows_KWF = np.concatenate([self._windows_NWF[list(labels)], self._examples_NWF])
        labels_K = np.array([index[genre] for genre in [*labels.values(), *self._taught]])
        return Discriminant.fit(windows_KWF, labels_K, len(genres))

    def logits(self, embeddings_NWF: Floats | None = None) -> Floats:
        """Logits (N, C) for the pool, or for other clips; C is 0 before the first label."""
        clips_NF = self._clips_NF if embeddings_NWF is None else self._clipped(embeddings_NWF).mean(1)
        return np.zeros((len(clips_NF), 0), np.float32) if self._fitted is None else self._fitted.logits(clips_NF)

    def probabilities(self) -> Probabilities:
        """Probabilities (N, C) for the pool."""
        logits_NC = self.logits()
        return self._softmax(logits_NC, logits_NC) if logits_NC.size else logits_NC.astype(np.float64)

    def windows(self, index: int) -> Probabilities:
        """Probabilities (W, C) of the windows of a clip of the pool."""
        if self._fitted is None:
            return np.zeros((len(self._windows_NWF[index]), 0))
        return self._softmax(self._fitted.logits(self._windows_NWF[index]), self.logits())

    @staticmethod
    def _softmax(logits_NC: Floats, pool_NC: Floats) -> Probabilities:
        spread = float((pool_NC - pool_NC.mean(1, keepdims=True)).std())
        scaled_NC = GAIN * (logits_NC - logits_NC.mean(1, keepdims=True)) / max(spread, 1e-9)
        return softmax(scaled_NC.astype(np.float64))

    def order(self, towards: str | None = None, probabilities_NC: Probabilities | None = None) -> list[int]:
        """The unlabelled clips, the most helpful first, or with ``towards`` those most likely of that genre.

        Args:
            probabilities_NC: the result of `probabilities`, if it was computed already.
        """
        if self._fitted is None:
            return self._by_typicality()
        if probabilities_NC is None:
            probabilities_NC = self.probabilities()
        if towards in self.genres:
            rank_N = probabilities_NC[:, self.genres.index(towards)]
        elif len(self.genres) == 1:
            known_F = self._clips_NF[list(self._seen)].mean(0) if self._seen else self._examples_NWF.mean((0, 1))
            rank_N = np.linalg.norm(self._clips_NF - known_F, axis=1)  # a second genre is needed
        else:
            best_N2 = np.sort(probabilities_NC, axis=1)[:, -2:]
            unsure_N = 1 - (best_N2[:, -1] - best_N2[:, 0])
            counts_C = self._fitted.counts_C
            coverage_N = self._coverage() ** min(1.0, FEW / counts_C.mean())
            rank_N = unsure_N * coverage_N / np.sqrt(counts_C[probabilities_NC.argmax(1)])
        return [i for i in np.argsort(-rank_N, kind="stable").tolist() if i not in self._seen]

    def accuracy(self, labels: Mapping[int, str], groups: Sequence[int]) -> Accuracy | None:
        """The accuracy of discriminants that were fitted without the labels in question.

        Args:
            groups: the group number of each clip of the pool; clips of one group are held out together.

        Returns:
            None with fewer than `LEAST_LABELLED` clips of two genres.
        """
        if len(labels) < LEAST_LABELLED or len(set(labels.values())) < 2:
            return None
        by_genre = sorted(labels, key=lambda index: labels[index])  # dealt out in turn, which stratifies the folds
        fold_of: dict[int, int] = {}
        for number, index in enumerate(by_genre):
            fold_of.setdefault(groups[index], number % FOLDS)
        right = 0
        for fold in range(FOLDS):
            held = [index for index in labels if fold_of[groups[index]] == fold]
            rest = {index: genre for index, genre in labels.items() if fold_of[groups[index]] != fold}
            genres = sorted({*rest.values(), *self._taught})
            if not held or not genres:
                continue
            best_H = self._discriminant(rest, genres).logits(self._clips_NF[held]).argmax(1)
            right += sum(genres[best] == labels[index] for best, index in zip(best_H.tolist(), held, strict=True))
        share = right / len(labels)
        interval = interval_of_share(share, len(labels))
        return Accuracy(share, interval.low, interval.high, len(labels))

    def _by_typicality(self) -> list[int]:
        """The order before any label: the clips nearest to the mean first."""
        distance_N = np.linalg.norm(self._clips_NF - self._clips_NF.mean(0), axis=1)
        return [i for i in np.argsort(distance_N).tolist() if i not in self._seen]

    def _coverage(self) -> Floats:
        """By how much the clips that stand for the pool would come nearer to a labelled clip with each label, (N,)."""
        if self._alike is None:
            centred = np.concatenate([self._clips_NF, self._examples_NWF.mean(1)]) - self._clips_NF.mean(0)
            units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
            self._alike = units @ units[: len(self._clips_NF) : 1 + len(self._clips_NF) // REPRESENTATIVES].T
        pool = len(self._clips_NF)
        covered_M = self._alike[[*self._seen, *range(pool, len(self._alike))]].max(0)
        nearer_N: Floats = np.maximum(self._alike[:pool] - covered_M, 0).sum(1)
        return nearer_N

    def _clipped(self, embeddings_NWF: Floats) -> Floats:
        return clipped((embeddings_NWF - self._mean_F) / self._std_F)
