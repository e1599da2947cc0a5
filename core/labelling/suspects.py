"""The clips of a dataset, those with the most doubtful labels first."""

from pathlib import Path

import msgspec
import numpy as np

from core.labelling.doubt import doubt_of, groups_of, out_of_fold
from core.labelling.embedding import EmbeddedSet
from core.labelling.overlay import current, labels_with, read_overlay

DIGITS = 6


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is None for a clip of a feature pack; ``probabilities`` are calibrated and out of fold."""

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
) -> list[Suspect]:
    """Every labelled clip, most doubtful first.

    Args:
        groups: see `core.labelling.doubt.groups_of`.
        labels: an overlay whose decisions replace the dataset's labels; excluded clips are left out.

    Raises:
        UserError: there are too few genres or groups, or a file cannot be used.
    """
    decided = labels_with(found.clips, found.root, current(read_overlay(labels)) if labels else {})
    kept = [i for i, label in enumerate(decided) if label is not None]
    clips = [found.clips[i] for i in kept]
    genres = sorted({decided[i] or "" for i in kept})
    labels_N = np.array([genres.index(decided[i] or "") for i in kept])
    groups_N = groups_of(clips, groups)
    doubt = doubt_of(out_of_fold(found.embeddings_NWF[kept], labels_N, groups_N, len(genres)), labels_N, groups_N)
    return [
        Suspect(
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
