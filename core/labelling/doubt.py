"""Finding labels that are probably wrong (confident learning: Northcutt, Jiang & Chuang 2021); see `find_suspects`.

Each clip's probabilities come from an expert fitted without its group (artist, or recording), so that a wrong label
cannot confirm itself. A second fit weights each label by its probability in the first. Where groups are known, the
other labels of a group are evidence as well, weighted by how far the groups of this dataset keep to one genre. Doubt
is one minus the probability of the given label. The suggested genre is the one whose probability exceeds its threshold
most; the threshold is the mean probability among the clips with that label.

Shapes: N clips, W windows of each, F statistics, C genres, G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from core.dataset.clip import Clip, OnNote
from core.dataset.labels.decisions import current, labels_with, read_overlay
from core.dataset.load import load_features
from core.dataset.scan import Scan
from core.dataset.split import auto_column, column_values, same_group, same_recording
from core.dataset.store.extract import OnFeatures
from core.labelling.embedding import EmbeddedSet, Floats
from core.labelling.expert import Labels, Scaling, Space, votes
from core.training.checkpoint import load_model
from core.training.evaluation.evaluate import check_front_end, embedded, logits_of
from core.util.device import choose_device
from core.util.errors import UserError
from core.util.text import counted, printable

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


DIGITS = 6


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is None for a clip of a feature pack; ``probabilities`` are calibrated and out of fold."""

    index: int
    """Index in the dataset."""
    name: str
    path: str | None
    label: str
    suggested: str
    doubt: float
    probabilities: dict[str, float]


def find_suspects(
    found: EmbeddedSet,
    *,
    groups: str | None = None,
    labels: Path | None = None,
    model: Path | None = None,
    encoded_NWD: Floats | None = None,
    device: str = "auto",
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> list[Suspect]:
    """Every labelled clip, most doubtful first.

    Args:
        groups: see `core.labelling.doubt.groups_of`.
        labels: an overlay whose decisions replace the dataset's labels; excluded clips are left out.
        model: a model file that also classifies the clips that it was not trained on. It runs on ``device``, and
            ``on_features`` is called with the progress of the spectrograms that it needs.
        encoded_NWD: the result of `core.labelling.embedding.encode` for ``found``; an expert is fitted to these
            embeddings, too.

    Raises:
        UserError: there are too few genres or groups, or a file cannot be used.
    """
    decided = labels_with(found.clips, found.root, current(read_overlay(labels)) if labels else {})
    kept = [i for i, label in enumerate(decided) if label is not None]
    clips = [found.clips[i] for i in kept]
    genres = sorted({decided[i] or "" for i in kept})
    labels_N = np.array([genres.index(decided[i] or "") for i in kept])
    groups_N = groups_of(clips, groups)
    probabilities_NC = out_of_fold(found.embeddings_NWF[kept], labels_N, groups_N, len(genres))
    if encoded_NWD is not None:
        by_encoder_NC = out_of_fold(encoded_NWD[kept], labels_N, groups_N, len(genres))
        probabilities_NC = _geometric_mean(probabilities_NC, by_encoder_NC)
    if model is not None:
        probabilities_NC = _with_model(model, found, clips, genres, probabilities_NC, device, on_features, on_note)
    doubt = doubt_of(probabilities_NC, labels_N, groups_N)
    return [
        Suspect(
            index=kept[i],
            name=clips[i].name,
            path=None if found.is_pack else str(clips[i].path),
            label=genres[labels_N[i]],
            suggested=genres[doubt.suggested_N[i]],
            doubt=round(float(doubt.doubt_N[i]), DIGITS),
            probabilities={
                genre: round(float(p), DIGITS) for genre, p in zip(genres, doubt.probabilities_NC[i], strict=True)
            },
        )
        for i in doubt.order
    ]


def _with_model(
    model: Path,
    found: EmbeddedSet,
    clips: list[Clip],
    genres: list[str],
    probabilities_NC: Probabilities,
    device: str,
    on_features: OnFeatures | None,
    on_note: OnNote | None,
) -> Probabilities:
    """The geometric mean of ``probabilities_NC`` and the model's, for the clips that the model was not trained on.

    A clip that it was trained on keeps its probabilities, because the model has learnt its label. The total
    probability of genres that the model does not know stays the same.

    Raises:
        UserError: the model cannot be used on this dataset.
    """
    trained = load_model(model, choose_device(device))
    parts = trained.dataset.parts_of(clips)
    known = [i for i, genre in enumerate(genres) if genre in trained.genres]
    if len(known) < 2:
        raise UserError(f"{printable(model)} knows fewer than two genres of {printable(found.root)}: choose another.")
    scan = Scan(found.root, found.clips, [], genres)
    features, _ = load_features(scan, trained.front_end, device=choose_device(device), on_features=on_features)
    check_front_end(features, trained)
    features = embedded(features, found.root, trained, "first", choose_device(device))
    index = {id(clip): i for i, clip in enumerate(clips)}
    asked = [i for i, clip in enumerate(features.clips) if id(clip) in index]
    used = [i for i in asked if parts[index[id(features.clips[i])]] != "train"]
    if on_note and len(used) < len(clips):
        on_note(
            f"{len(clips) - len(used):,} of {counted(len(clips), 'clip')} are not classified, because the model was "
            "trained on them"
        )
    if not used:
        return probabilities_NC
    columns = [trained.genres.index(genres[i]) for i in known]
    logits_UK = logits_of(trained, features, used)[:, columns].double() / trained.temperature
    rows = np.array([index[id(features.clips[i])] for i in used])[:, None]
    own_UK = probabilities_NC[rows, known]
    asked_NC = probabilities_NC.copy()
    both_UK = _geometric_mean(own_UK, torch.softmax(logits_UK, dim=1).cpu().numpy())
    asked_NC[rows, known] = both_UK * own_UK.sum(1, keepdims=True)
    return asked_NC


def _geometric_mean(first_NC: Probabilities, second_NC: Probabilities) -> Probabilities:
    """The geometric mean of the probabilities of two models, with rows that sum to 1."""
    both_NC: Probabilities = np.sqrt(np.maximum(first_NC, 1e-12) * second_NC)
    both_NC /= both_NC.sum(1, keepdims=True)
    return both_NC
