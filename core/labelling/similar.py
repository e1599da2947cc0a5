"""Similar clips: the nearest clips of a dataset, other artists first.

Clips are compared in the space of `core.labelling.expert`. The directions in which genres differ are stretched, so
that neighbours share the genre more often, and the space is fitted without the artist of the query.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from core.dataset.store.extract import OnFeatures
from core.features.settings import EncoderSettings
from core.labelling.doubt import ARTIST, groups_of
from core.labelling.embedding import EmbeddedSet, Floats, embed_file, encode, encode_clip
from core.labelling.expert import Labels, Space
from core.util.archive.path import as_path
from core.util.errors import UserError

STRETCH = 4.0
"""Factor along the directions in which genres differ; chosen on two collections."""


class Neighbour(NamedTuple):
    """A clip near a query."""

    clip: int
    """Its index in the dataset."""
    similarity: float
    """The cosine."""
    same_group: bool
    """Whether it belongs to the query's group."""


def nearest(
    query_WF: Floats, embeddings_NWF: Floats, labels_N: Labels, groups_N: Sequence[int], *, group: int | None, top: int
) -> list[Neighbour]:
    """The ``top`` nearest clips to a query, those of ``group`` last.

    Args:
        labels_N: genres from 0; all equal for a dataset without labels.
        group: the query's group; None for a file that is not in the dataset.
    """
    own_N = np.array(groups_N) == (-1 if group is None else group)
    fit_N = ~own_N if len(np.unique(labels_N[~own_N])) > 1 else np.ones(len(labels_N), dtype=bool)
    space = Space.fit(embeddings_NWF[fit_N], np.unique(labels_N[fit_N], return_inverse=True)[1], stretch=STRETCH)
    similarity_N = space(embeddings_NWF) @ space(query_WF[None])[0]
    order = np.lexsort((-similarity_N, own_N))[:top]
    return [Neighbour(int(i), float(similarity_N[i]), bool(own_N[i])) for i in order]


class SimilarClip(msgspec.Struct, frozen=True, kw_only=True):
    """A neighbour, for display and JSON. ``path`` is None for a clip of a feature pack."""

    name: str
    path: str | None
    label: str
    artist: str | None
    similarity: float
    same_artist: bool
    duration_s: float


def find_similar(
    query: str,
    found: EmbeddedSet,
    *,
    groups: str | None = None,
    top: int = 10,
    encoder: EncoderSettings | None = None,
    device: torch.device | str = "cpu",
    on_features: OnFeatures | None = None,
) -> list[SimilarClip]:
    """Find the clips most similar to ``query``, an audio file or the name of a clip in the dataset.

    The clip itself and copies of it are left out. With an ``encoder``, which runs on ``device``,
    clips are compared by its embeddings; see `core.labelling.embedding.encode`.

    Raises:
        UserError: ``query`` is neither, or cannot be read, or the encoder cannot be used.
    """
    clips, embeddings_NWF = found.clips, found.embeddings_NWF
    if encoder is not None:
        embeddings_NWF = encode(found, encoder, device=device, on_features=on_features)
    groups_N = groups_of(clips, groups)
    if as_path(query).is_file():
        clip, embedding_WF = embed_file(Path(query), found.settings)
        if encoder is not None:
            embedding_WF = encode_clip(clip, found.settings, encoder, device)
        content = clip.content
        own = next((i for i, other in enumerate(clips) if other.content == content), None)
    else:
        own = next((i for i, other in enumerate(clips) if query in (other.name, f"{other.genre}/{other.name}")), None)
        if own is None:
            raise UserError(f"{query} is neither an audio file nor the name of a clip in {found.root}.")
        content, embedding_WF = clips[own].content, embeddings_NWF[own]
    labels_N = np.unique([clip.genre for clip in clips], return_inverse=True)[1]
    neighbours = nearest(
        embedding_WF,
        embeddings_NWF,
        labels_N,
        groups_N,
        group=None if own is None else groups_N[own],
        top=len(clips),
    )
    others = [one for one in neighbours if clips[one.clip].content != content]
    return [
        SimilarClip(
            name=clips[i].name,
            path=None if found.is_pack else str(clips[i].path),
            label=clips[i].genre,
            artist=clips[i].columns.get(ARTIST) or None,
            similarity=round(similarity, 4),
            same_artist=same,
            duration_s=clips[i].duration_s,
        )
        for i, similarity, same in others[:top]
    ]
