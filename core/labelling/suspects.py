"""The clips of a dataset in order of doubt about their labels."""

from pathlib import Path

import msgspec
import numpy as np
import torch

from core.dataset.clip import Clip, OnNote
from core.dataset.labels.decisions import current, labels_with, read_overlay
from core.dataset.load import load_features
from core.dataset.scan import Scan
from core.dataset.store.extract import OnFeatures
from core.labelling.doubt import Probabilities, doubt_of, groups_of, out_of_fold
from core.labelling.embedding import EmbeddedSet, Floats
from core.training.checkpoint import load_model
from core.training.evaluation.evaluate import check_front_end, embedded, logits_of
from core.util.device import choose_device
from core.util.errors import UserError
from core.util.text import counted, printable

DIGITS = 6


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is None for a clip of a feature pack; ``probabilities`` are calibrated and out of fold."""

    place: int
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
        encoded_NWD: what `core.labelling.encoded.encode` gave for ``found``: an expert on these embeddings is asked as
            well.

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
            place=kept[i],
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
    place = {id(clip): i for i, clip in enumerate(clips)}
    asked = [i for i, clip in enumerate(features.clips) if id(clip) in place]
    used = [i for i in asked if parts[place[id(features.clips[i])]] != "train"]
    if on_note and len(used) < len(clips):
        on_note(
            f"{len(clips) - len(used):,} of {counted(len(clips), 'clip')} are not classified, because the model was "
            "trained on them"
        )
    if not used:
        return probabilities_NC
    columns = [trained.genres.index(genres[i]) for i in known]
    logits_UK = logits_of(trained, features, used)[:, columns].double() / trained.temperature
    rows = np.array([place[id(features.clips[i])] for i in used])[:, None]
    own_UK = probabilities_NC[rows, known]
    asked_NC = probabilities_NC.copy()
    both_UK = _geometric_mean(own_UK, torch.softmax(logits_UK, dim=1).cpu().numpy())
    asked_NC[rows, known] = both_UK * own_UK.sum(1, keepdims=True)
    return asked_NC


def _geometric_mean(first_NC: Probabilities, second_NC: Probabilities) -> Probabilities:
    """Of two judges' probabilities; the rows sum to 1."""
    both_NC: Probabilities = np.sqrt(np.maximum(first_NC, 1e-12) * second_NC)
    both_NC /= both_NC.sum(1, keepdims=True)
    return both_NC
