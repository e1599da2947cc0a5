"""Active learning: experts that are refitted after each label, and the choice of the clip to label next.

A linear discriminant over all windows of the labelled clips (Fisher 1936), whose shrunk covariance (Friedman 1989)
works with a few clips, and kernel ridge regression on the clips (Saunders, Gammerman & Vovk 1998) with a Laplacian
kernel have an equal say. The next clip is one whose two likeliest genres are close (margin sampling: Scheffer,
Decomain & Wrobel 2001), that resembles many clips which resemble no labelled one yet (facility location: Wei, Iyer &
Bilmes 2015), preferably of a genre with few labels so far.

Shapes: N clips of the pool, M of them that stand for all, W windows of each, F statistics, C genres, K labelled clips.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped]
from scipy.linalg.blas import ssyrk  # type: ignore[import-untyped]

from core.labelling.doubt import FOLDS, Probabilities
from core.labelling.embedding import Floats
from core.labelling.expert import FARTHEST, FLATTEST, SHRINKAGE, Labels, softmax
from core.training.evaluation.significance import interval_of_share

LEAST_LABELLED = 10
"""Fewest labelled clips for which an accuracy is computed."""
RIDGE, EXPONENT = 0.3, 0.5
"""Of the kernel ridge regression; the exponent is that at the average distance between two clips."""
MOST_COMPARED = 1_000
"""Most labelled clips for which the regression has a say, and most clips that stand for the pool."""
AVERAGED = 200
"""Most clips from which the average distance is computed."""
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
        """(N, C)."""
        logits_NC: Floats = clips_NF @ self.weight_FC + self.bias_C
        return logits_NC


class Fitted(NamedTuple):
    """A discriminant and, for at most `MOST_COMPARED` clips of two genres or more, the regression (K, C) on ``rows``.

    A row beyond the pool is one of the examples.
    """

    discriminant: Discriminant
    rows: list[int]
    coefficients_KC: Floats | None


class Accuracy(NamedTuple):
    """The accuracy for the labelled clips, out of fold, and its 95% interval."""

    share: float
    low: float
    high: float
    clips: int


class Teacher:
    """A pool of clips and experts fitted to their labels. What does not depend on labels is computed once."""

    def __init__(self, embeddings_NWF: Floats, examples_NWF: Floats | None = None, taught: Sequence[str] = ()) -> None:
        """
        Args:
            embeddings_NWF: embeddings of the pool.
            examples_NWF: embeddings of clips of other datasets, whose genres are ``taught``.
        """
        flat_BF = embeddings_NWF.reshape(-1, embeddings_NWF.shape[2])
        self._mean_F, std_F = flat_BF.mean(0), flat_BF.std(0)
        self._std_F = np.where(std_F > FLATTEST, std_F, np.inf).astype(np.float32)
        pool_NWF = self._clipped(embeddings_NWF)
        self._count = len(pool_NWF)
        self._windows = pool_NWF if examples_NWF is None else np.concatenate([pool_NWF, self._clipped(examples_NWF)])
        self._clips = self._windows.mean(1)
        """Those of the pool and the examples after them, as in ``_windows``."""
        self._clips_NF = self._clips[: self._count]
        self._taught = dict(enumerate(taught, self._count))
        some_F = self._clips_NF[:: 1 + self._count // AVERAGED]
        self._average = max(1e-6, float(_distances(some_F, some_F).mean()))
        self._columns: dict[int, Floats] = {}
        """Row → its distances from all clips, in units of the average."""
        self._alike: Floats | None = None
        self._seen: set[int] = set()
        self._fitted: Fitted | None = None
        self.genres: list[str] = []

    def fit(self, labels: Mapping[int, str]) -> None:
        """Refit to ``labels``, index in the pool → genre, and the examples."""
        self._seen = set(labels)
        known = {**labels, **self._taught}
        self.genres = sorted(set(known.values()))
        self._fitted = self._experts(known, self.genres) if self.genres else None

    def _experts(self, known: Mapping[int, str], genres: Sequence[str]) -> Fitted:
        index, rows = {genre: i for i, genre in enumerate(genres)}, list(known)
        labels_K = np.array([index[genre] for genre in known.values()])
        discriminant = Discriminant.fit(self._windows[rows], labels_K, len(genres))
        if len(genres) < 2 or len(rows) > MOST_COMPARED:
            return Fitted(discriminant, rows, None)
        kernel_KK = np.exp(-EXPONENT * self._apart(rows, rows))
        kernel_KK[np.diag_indices_from(kernel_KK)] += discriminant.counts_C[labels_K] * len(genres) / len(rows) * RIDGE
        targets_KC = np.eye(len(genres), dtype=np.float32)[labels_K] - np.float32(1 / len(genres))
        return Fitted(discriminant, rows, cho_solve(cho_factor(kernel_KK, check_finite=False), targets_KC))

    def _apart(self, of: slice | Sequence[int], rows: Sequence[int]) -> Floats:
        """The distances (N, K) of clips ``of`` the pool and the examples from ``rows``, computed once for each row."""
        if missing := [row for row in rows if row not in self._columns]:
            columns_NK = _distances(self._clips, self._clips[missing]) / self._average
            self._columns |= {row: columns_NK[:, place].copy() for place, row in enumerate(missing)}
        return np.stack([self._columns[row][of] for row in rows], axis=1)

    def logits(self, embeddings_NWF: Floats | None = None) -> Floats:
        """Logits (N, C) for the pool, or for other clips; C is 0 before the first label."""
        if self._fitted is None:
            return np.zeros((self._count if embeddings_NWF is None else len(embeddings_NWF), 0), np.float32)
        if embeddings_NWF is None:
            return self._logits(self._fitted)
        return self._logits(self._fitted, self._clipped(embeddings_NWF).mean(1))

    def _logits(self, fitted: Fitted, other_NF: Floats | None = None, places: Sequence[int] | None = None) -> Floats:
        """Logits (N, C) of the pool, of some ``places`` of it, or of other clips."""
        parts = self._parts(fitted, other_NF, places)
        return sum(map(_in_deviations, parts[1:]), _in_deviations(parts[0]))

    def _parts(
        self, fitted: Fitted, other_NF: Floats | None = None, places: Sequence[int] | None = None
    ) -> list[Floats]:
        """The logits of each expert."""
        chosen = slice(self._count) if places is None else places
        clips_NF = self._clips[chosen] if other_NF is None else other_NF
        by_means_NC = fitted.discriminant.logits(clips_NF)
        if fitted.coefficients_KC is None:
            return [by_means_NC]
        if other_NF is None:
            apart_NK = self._apart(chosen, fitted.rows)
        else:
            apart_NK = _distances(clips_NF, self._clips[fitted.rows]) / self._average
        return [by_means_NC, np.exp(-EXPONENT * apart_NK) @ fitted.coefficients_KC]

    def probabilities(self) -> Probabilities:
        """Probabilities (N, C) for the pool."""
        logits_NC = self.logits()
        return softmax(GAIN * _in_deviations(logits_NC)) if logits_NC.size else logits_NC.astype(np.float64)

    def windows(self, place: int) -> Probabilities:
        """Probabilities (W, C) of the windows of a clip of the pool."""
        windows_WF = self._windows[place]
        if self._fitted is None:
            return np.zeros((len(windows_WF), 0))
        pool = self._parts(self._fitted)
        scaled = [_in_deviations(*both) for both in zip(self._parts(self._fitted, windows_WF), pool, strict=True)]
        among_NC = sum(map(_in_deviations, pool[1:]), _in_deviations(pool[0]))
        return softmax(GAIN * _in_deviations(sum(scaled[1:], scaled[0]), among_NC))

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
            known_F = self._clips[[*(self._seen or self._taught)]].mean(0)
            rank_N = np.linalg.norm(self._clips_NF - known_F, axis=1)  # a second genre is needed
        else:
            best_N2 = np.sort(probabilities_NC, axis=1)[:, -2:]
            unsure_N = 1 - (best_N2[:, -1] - best_N2[:, 0])
            counts_N = self._fitted.discriminant.counts_C[probabilities_NC.argmax(1)]
            rank_N = unsure_N * self._coverage() / np.sqrt(counts_N)
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
        by_genre = sorted(labels, key=lambda place: labels[place])  # dealt out in turn, which stratifies the folds
        fold_of: dict[int, int] = {}
        for number, place in enumerate(by_genre):
            fold_of.setdefault(groups[place], number % FOLDS)
        right = 0
        for fold in range(FOLDS):
            held = [place for place in labels if fold_of[groups[place]] == fold]
            rest = {place: genre for place, genre in labels.items() if fold_of[groups[place]] != fold}
            known = {**rest, **self._taught}
            genres = sorted(set(known.values()))
            if not held or not genres:
                continue
            best_H = self._logits(self._experts(known, genres), places=held).argmax(1)
            right += sum(genres[best] == labels[place] for best, place in zip(best_H.tolist(), held, strict=True))
        share = right / len(labels)
        interval = interval_of_share(share, len(labels))
        return Accuracy(share, interval.low, interval.high, len(labels))

    def _by_typicality(self) -> list[int]:
        """The order before any label: the clips nearest to the mean first."""
        distance_N = np.linalg.norm(self._clips_NF - self._clips_NF.mean(0), axis=1)
        return [i for i in np.argsort(distance_N).tolist() if i not in self._seen]

    def _coverage(self) -> Floats:
        """By how much the clips that stand for the pool, (N,), would come closer to a labelled one with each label."""
        if self._alike is None:
            units = self._clips - self._clips_NF.mean(0)
            units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-9)
            self._alike = units @ units[: self._count : 1 + self._count // MOST_COMPARED].T
        covered_M = self._alike[[*self._seen, *self._taught]].max(0)
        gain_N: Floats = np.maximum(self._alike[: self._count] - covered_M, 0).sum(1)
        return gain_N

    def _clipped(self, embeddings_NWF: Floats) -> Floats:
        clipped: Floats = FARTHEST * np.tanh((embeddings_NWF - self._mean_F) / self._std_F / FARTHEST)
        return clipped


def _distances(x_NF: Floats, y_KF: Floats) -> Floats:
    """L1 distances (N, K)."""
    apart_NK: Floats = torch.cdist(torch.from_numpy(x_NF), torch.from_numpy(y_KF), p=1.0).numpy()
    return apart_NK


def _in_deviations(logits_NC: Floats, among_NC: Floats | None = None) -> Floats:
    """Logits less the mean over genres, in units of the deviation of ``among_NC`` or their own."""
    centred_NC = logits_NC - logits_NC.mean(1, keepdims=True)
    units_NC = centred_NC if among_NC is None else among_NC - among_NC.mean(1, keepdims=True)
    scaled_NC: Floats = centred_NC / max(float(units_NC.std()), 1e-9)
    return scaled_NC
