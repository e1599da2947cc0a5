"""Embeddings of clips by a pretrained encoder, in the shape of those of `core.labelling.embedding`.

They take the place of window statistics wherever clips are compared. The encoder's own, of windows of its length, are
kept in the feature store, where training finds them too.

Shapes: N clips, W = `WINDOWS` parts of each, D numbers of an embedding, K windows of the encoder in a clip.
"""

from pathlib import Path

import numpy as np
import torch

from core.dataset.clip import Clip, DatasetError, OnNote
from core.dataset.load import load_features
from core.dataset.scan import Scan
from core.dataset.store.extract import OnFeatures
from core.features.settings import EncoderSettings, FrontEndSettings
from core.labelling.embedding import WINDOWS, EmbeddedSet, Floats
from core.models.encoders.embeddings import with_embeddings


def encode(
    found: EmbeddedSet,
    encoder: EncoderSettings,
    *,
    device: torch.device | str = "cpu",
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> Floats:
    """The embeddings of all clips, (N, W, D) float32: of each part of a clip the mean over its windows.

    ``on_features`` hears of the clips that are not in the feature store yet.

    Raises:
        DatasetError: the dataset is a feature pack, which has no sound, or a file has changed since it was scanned.
        UserError: the encoder is missing, or the store cannot be written.
    """
    return _encode(found.root, found.clips, found.settings, encoder, device, on_features, on_note)


def encode_clip(clip: Clip, settings: FrontEndSettings, encoder: EncoderSettings, device: torch.device | str) -> Floats:
    """The same of one clip, (W, D)."""
    parts_WD: Floats = _encode(clip.path.parent, [clip], settings, encoder, device, None, None)[0]
    return parts_WD


def _encode(
    root: Path,
    clips: list[Clip],
    settings: FrontEndSettings,
    encoder: EncoderSettings,
    device: torch.device | str,
    on_features: OnFeatures | None,
    on_note: OnNote | None,
) -> Floats:
    features, failed = load_features(Scan(root, clips, [], []), settings, device=device)
    if failed:
        raise DatasetError(f"{failed[0].path} has changed since the dataset was opened: open it again.")
    features = with_embeddings(
        features, root, encoder, "first", device=device, on_progress=on_features, on_note=on_note
    )
    assert features.embeddings is not None and features.windows is not None
    counts = features.windows.tolist()
    return np.stack([_parts(own_KD[:count].numpy()) for own_KD, count in zip(features.embeddings, counts, strict=True)])


def _parts(windows_KD: Floats) -> Floats:
    """(K, D) → (W, D); fewer windows than parts are repeated."""
    if len(windows_KD) < WINDOWS:
        repeated_WD: Floats = windows_KD[np.linspace(0, len(windows_KD) - 1, WINDOWS).round().astype(int)]
        return repeated_WD
    return np.stack([part_KD.mean(0) for part_KD in np.array_split(windows_KD, WINDOWS)])
