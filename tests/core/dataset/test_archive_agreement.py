"""Audio through the archive's front end looks like the archive: a model trained on one works on the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from core.audio.files.decode import decode
from core.dataset.pack import ARCHIVE_FRONT_END
from core.features.log_mel import FrontEnd
from tests.support.paths import GTZAN_LOGMEL, GTZAN_MINI

pytestmark = pytest.mark.skipif(
    not (GTZAN_MINI.is_dir() and GTZAN_LOGMEL.is_dir()), reason="the shared music is not here"
)

ARCHIVE_COLUMNS = 387
FIRST_COLUMN = 598
"""Samples from a clip's beginning to the archive's first column, on average: it takes whole frames of a hop of 512."""


def similarity(a_MT: np.ndarray, b_MT: np.ndarray) -> float:
    """Correlation, blind to scale and offset, without the last frames, where an excerpt ends and its track goes on."""
    frames = min(a_MT.shape[1], b_MT.shape[1]) - 3
    return float(np.corrcoef(a_MT[:, :frames].ravel(), b_MT[:, :frames].ravel())[0, 1])


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, torch.Tensor, np.ndarray]]:
    """Name, waveform (1, samples) and the archive's (mels, columns) of every third clip that is in both.

    The audio is the beginning of the track's 30 seconds.
    """
    with np.load(GTZAN_LOGMEL / "gtzan-logmel.npz") as arrays:
        archived = dict(zip(arrays["name"], arrays["X"].astype(np.float32), strict=True))
    paths = [path for path in sorted(Path(GTZAN_MINI).glob("*/*.au")) if path.stem in archived]
    return [(path.stem, torch.from_numpy(decode(path)[0])[None], archived[path.stem]) for path in paths[::3]]


def test_at_the_archives_own_columns_they_are_the_same(pairs: list[tuple[str, torch.Tensor, np.ndarray]]) -> None:
    """The archive's columns are frames of a hop of 512, spread over a length of the track that it does not tell."""
    front_end = FrontEnd(replace(ARCHIVE_FRONT_END, hop_length=512))
    assert len(pairs) > 30
    for name, wave, archived in pairs:
        mel = front_end(wave)[0].numpy()
        best = 0.0
        for frames in (1293, *range(1285, 1325)):
            columns = np.floor((np.arange(ARCHIVE_COLUMNS) + 0.5) * frames / 387.5).astype(int)
            best = max(best, similarity(mel[:, columns[columns < mel.shape[1]]], archived))
            if best > 0.99:
                break
        assert best > 0.99, name


def test_at_a_hop_of_1709_they_are_alike(pairs: list[tuple[str, torch.Tensor, np.ndarray]]) -> None:
    """The front end that a model is trained for. What is left is time: its frames lie up to 300 samples beside the
    archive's columns, and drift further in the few tracks that are longer than 30 seconds."""
    front_end = FrontEnd(ARCHIVE_FRONT_END)
    found = [similarity(front_end(wave[:, FIRST_COLUMN:])[0].numpy(), archived) for _, wave, archived in pairs]
    assert np.median(found) > 0.99
    assert np.mean(np.array(found) > 0.98) > 0.8
