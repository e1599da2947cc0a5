"""Finding labels that are probably wrong (confident learning: Northcutt, Jiang & Chuang 2021).

Each clip's probabilities come from an expert fitted without its group (artist, or recording), so that a wrong label
cannot confirm itself. A second fit weights each label by its probability in the first. Where groups are known, the
other labels of a group are evidence as well, weighted by how far the groups of this dataset keep to one genre. Doubt
is one minus the probability of the given label. The suggested genre is the one whose probability exceeds its threshold
most; the threshold is the mean probability among the clips with that label.

Shapes: N clips, W windows of each, F statistics, C genres, G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.dataset.clip import Clip
from core.dataset.split import auto_column, column_values, same_group, same_recording
from core.labelling.embedding import Floats
from core.labelling.expert import Labels, Scaling, Space, votes
from core.util.errors import UserError

FOLDS = 5
ARTIST = "artist"
"""The column whose value is shown beside a clip."""
FITS = 2
"""Fits of the expert; later ones weight each label by its probability in the one before."""
LEAST_CONCENTRATION = 1.0
"""Lowest concentration of the labels within a group: an artist whose clips all have one wrong label stays doubtful."""
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """Doubt about the labels of N clips, from out-of-fold probabilities."""

    probabilities_NC: Probabilities
    """(N, C), calibrated and out of fold."""
    suggested_N: Labels
    doubt_N: npt.NDArray[np.float64]
    """(N,), from 0 to 1."""

    @property
    def order(self) -> list[int]:
        return [int(i) for i in np.argsort(-self.doubt_N, kind="stable")]


def groups_of(clips: Sequence[Clip], column: str | None) -> list[int]:
    """A group number for each clip, (N,): clips with the same value in ``column``, and copies of one recording.

    Without a column it is the artist, else the album, else clips that sound like one recording, if these are known.

    Raises:
        DatasetError: the column does not exist.
    """
    column = column or auto_column(clips)
    return same_group(same_recording(clips), column_values(clips, column) if column else [""] * len(clips))


def out_of_fold(embeddings_NWF: Floats, labels_N: Labels, groups_N: Sequence[int], genres: int) -> Probabilities:
    """Calibrated probabilities (N, C) by closed-form experts that were not fitted to the clip's group.

    Args:
        labels_N: the given genres, from 0.
        groups_N: the group number of each clip; clips of one group are held out together.

    Raises:
        UserError: there are fewer than two genres or groups.
    """
    if len(np.unique(labels_N)) < 2:
        raise UserError("Finding doubtful labels needs clips of at least two genres.")
    fold_N = _folds(groups_N)
    weights_N = np.ones(len(labels_N), dtype=np.float32)
    votes_NC = np.zeros((len(labels_N), genres), dtype=np.float32)
    probabilities_NC = np.empty((0, 0))
    for _ in range(FITS):
        for fold in range(fold_N.max() + 1):
            held, rest = fold_N == fold, fold_N != fold
            space = Space.fit(embeddings_NWF[rest], labels_N[rest], weights_N[rest])
            known_KF = space(embeddings_NWF[rest])
            votes_NC[held] = votes(space(embeddings_NWF[held]), known_KF, labels_N[rest], genres, weights_N[rest])
        probabilities_NC = Scaling.fit(votes_NC, labels_N)(votes_NC)
        # A label that is at least as likely as chance counts in full.
        weights_N = np.minimum(1, probabilities_NC[np.arange(len(labels_N)), labels_N] * genres).astype(np.float32)
        weights_N = np.maximum(weights_N, 1e-3)
    return probabilities_NC


def doubt_of(probabilities_NC: Probabilities, labels_N: Labels, groups_N: Sequence[int]) -> Doubt:
    """Doubt from out-of-fold probabilities of any model and the evidence of each clip's group."""
    clips = np.arange(len(labels_N))
    probabilities_NC = probabilities_NC * _group_evidence(labels_N, np.array(groups_N), probabilities_NC.shape[1])
    probabilities_NC /= probabilities_NC.sum(1, keepdims=True)
    given_N = probabilities_NC[clips, labels_N]
    counts_C = np.bincount(labels_N, minlength=probabilities_NC.shape[1])
    sums_C = np.bincount(labels_N, given_N, minlength=probabilities_NC.shape[1])
    threshold_C = np.where(counts_C > 0, np.maximum(sums_C, 1e-9) / np.maximum(counts_C, 1), 1.0)
    return Doubt(probabilities_NC, (probabilities_NC / threshold_C).argmax(1), 1 - given_N)


def _folds(groups_N: Sequence[int]) -> Labels:
    """The fold of each clip, (N,): groups in order of size, each into the fold with the fewest clips.

    Raises:
        UserError: there is only one group.
    """
    group_N = np.array(groups_N, dtype=np.int64)
    sizes_G = np.bincount(group_N)
    if np.count_nonzero(sizes_G) < 2:
        raise UserError("Finding doubtful labels needs clips of at least two groups (artists or recordings).")
    fold_G = np.zeros(len(sizes_G), dtype=np.int64)
    filled = np.zeros(min(FOLDS, int(np.count_nonzero(sizes_G))))
    for group in np.argsort(-sizes_G, kind="stable"):
        if sizes_G[group]:
            fold_G[group] = fold = int(filled.argmin())
            filled[fold] += sizes_G[group]
    fold_N: Labels = fold_G[group_N]
    return fold_N


def _group_evidence(labels_N: Labels, groups_N: Labels, genres: int) -> Probabilities:
    """The ratio (N, C) of each genre's probability given the labels of the group's other clips to its prior.

    The labels of a group follow a Dirichlet-multinomial distribution around the dataset's; its concentration, which
    says how mixed groups are, is the one under which each label is best predicted by the others of its group.
    """
    clips = np.arange(len(labels_N))
    prior_C = np.maximum(np.bincount(labels_N, minlength=genres), 0.5) / len(labels_N)
    counts_GC = np.zeros((groups_N.max() + 1, genres))
    np.add.at(counts_GC, (groups_N, labels_N), 1)
    others_NC = counts_GC[groups_N]
    others_NC[clips, labels_N] -= 1
    total_N1 = others_NC.sum(1, keepdims=True)
    best, evidence_NC = -np.inf, np.ones((len(labels_N), genres))
    for concentration in np.geomspace(LEAST_CONCENTRATION, 300, 31):
        predicted_NC = (others_NC + concentration * prior_C) / (total_N1 + concentration)
        likelihood = float(np.log(predicted_NC[clips, labels_N]).sum())
        if likelihood > best:
            best, evidence_NC = likelihood, predicted_NC / prior_C
    return evidence_NC
