"""Made-up embeddings: clips around their artist, artists around their genre."""

import numpy as np

from core.labelling.embedding import Floats
from core.labelling.expert import Labels

GENRES, ARTISTS, CLIPS, FEATURES = 4, 8, 6, 30


def collection(*, spread: float = 1.0, scale: float = 1.5) -> tuple[Floats, Labels, list[int]]:
    """Embeddings (N, 3, F) of artists around their genre and clips around their artist; labels; artists."""
    rng = np.random.default_rng(0)
    genre_GF = rng.normal(0, scale, (GENRES, FEATURES))
    artist_AF = np.repeat(genre_GF, ARTISTS, 0) + rng.normal(0, spread, (GENRES * ARTISTS, FEATURES))
    clip_NF = np.repeat(artist_AF, CLIPS, 0) + rng.normal(0, 0.7, (GENRES * ARTISTS * CLIPS, FEATURES))
    windows_NWF = clip_NF[:, None] + rng.normal(0, 0.3, (len(clip_NF), 3, FEATURES))
    artists = np.repeat(np.arange(GENRES * ARTISTS), CLIPS)
    return windows_NWF.astype(np.float32), artists // ARTISTS, artists.tolist()
