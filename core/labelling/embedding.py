"""Embeddings of clips: the statistics of three overlapping windows, computed once per content.

`encode` gives those of a pretrained encoder in the same shape: they take the place of window statistics wherever clips
are compared. The encoder's own embeddings, of windows of its length, are in the feature store that training uses, too.

Shapes: N clips, W = `WINDOWS` windows of each, M mel bands, T frames, F statistics, D numbers of an encoder's
embedding, K windows of the encoder in a clip.
"""

import hashlib
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from core.audio.files.open_file import AudioError
from core.dataset.clip import Clip, DatasetError, Excluded, OnNote, OnProgress
from core.dataset.inspect_file import inspect_file
from core.dataset.load import load_features
from core.dataset.near_duplicates import with_recordings
from core.dataset.pack import ARCHIVE_FRONT_END
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan, survey, survey_unlabelled
from core.dataset.settings import MOST_COMPARED, LabelSettings
from core.dataset.split import auto_column
from core.dataset.store.extract import OnFeatures, compute_features
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import EncoderSettings, FrontEndSettings
from core.models.encoders.embeddings import with_embeddings
from core.models.networks.window_statistics import WindowStatistics
from core.util.errors import UserError
from core.util.parallel import cores, ordered_map, single_threaded_torch
from core.util.paths import cache_folder
from core.util.text import printable

Floats = npt.NDArray[np.float32]
WINDOWS = 3
WINDOW_SECONDS = 15.0
"""Longer windows describe a clip better; several per clip preserve changes within it that an average would hide."""
VERSION = 1
"""Increased when the statistics of the same spectrogram change."""
WAIT_SECONDS = 30.0
"""How long to wait for another process that is writing."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings
    (content TEXT, kind TEXT, statistics BLOB NOT NULL, PRIMARY KEY (content, kind)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class EmbeddedSet:
    """Clips, their embeddings (N, W, F) in the same order, and excluded files with reasons."""

    root: Path
    clips: list[Clip]
    embeddings_NWF: Floats
    settings: FrontEndSettings
    excluded: list[Excluded]

    @property
    def is_pack(self) -> bool:
        """Whether the dataset is a feature pack, which has no audio files."""
        return is_pack(self.root)


def embed_dataset(
    data: str | os.PathLike[str],
    *,
    labels: LabelSettings | None = None,
    index: Path | None = None,
    device: torch.device | str = "cpu",
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_embedded: OnProgress | None = None,
    on_note: OnNote | None = None,
) -> EmbeddedSet:
    """Scan and embed the labelled dataset at ``data``, of any kind that `core.dataset.scan.survey` accepts.

    Spectrograms are read from and added to the feature store.

    Args:
        labels: where the genres come from; see `core.dataset.scan.scan`.
        on_scanning, on_features, on_embedded: called with progress, in this order.
        on_note: called with what a user should know.

    Raises:
        UserError: the dataset cannot be used, or the feature store cannot be written.
    """
    found = survey(data, labels=labels, index=index, seconds=ARCHIVE_FRONT_END.seconds, on_progress=on_scanning)
    if on_note:
        for note in [found.label_source, *found.notes]:
            on_note(note)
    features, failed = load_features(found, ARCHIVE_FRONT_END, device=device, on_features=on_features, on_note=on_note)
    if not features.clips:
        raise UserError(f"No clip of {printable(found.root)} can be used: {failed[0].path} {failed[0].reason}.")
    features = _with_groups(features)
    embeddings = embed(features, on_progress=on_embedded)
    return EmbeddedSet(found.root, features.clips, embeddings, features.settings, found.excluded + failed)


def embed_unlabelled(
    data: Path,
    *,
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_embedded: OnProgress | None = None,
) -> EmbeddedSet:
    """As `embed_dataset`, for all audio below a folder, without genres.

    Raises:
        UserError: it holds no usable audio, or the feature store cannot be written.
    """
    found = survey_unlabelled(data, seconds=ARCHIVE_FRONT_END.seconds, on_progress=on_scanning)
    features, failed = load_features(found, ARCHIVE_FRONT_END, device="cpu", on_features=on_features)
    if not features.clips:
        raise UserError(f"No file of {printable(found.root)} can be used: {failed[0].path} {failed[0].reason}.")
    features = _with_groups(features)
    embeddings = embed(features, on_progress=on_embedded)
    return EmbeddedSet(found.root, features.clips, embeddings, features.settings, found.excluded + failed)


def _with_groups(features: FeatureSet) -> FeatureSet:
    """Add a column for clips that sound like one recording, if no artist or album is known."""
    if auto_column(features.clips) is None and len(features) <= MOST_COMPARED:
        return with_recordings(features)
    return features


def embed_file(path: Path, settings: FrontEndSettings) -> tuple[Clip, Floats]:
    """An audio file as a clip without a genre, and its embedding (W, F) with the front end of a dataset.

    Raises:
        AudioError: it cannot be read, or is silent or too short.
    """
    found = inspect_file(path)
    if reason := found.rejection(settings.seconds):
        raise AudioError(path, reason)
    clip = Clip(
        path, "", printable(path.stem), found.content, found.rate, found.channels, found.format, found.duration_s
    )
    features, failed = compute_features([clip], settings)
    if failed:
        raise AudioError(path, failed[0].reason)
    return clip, embed(features)[0]


def embed(features: FeatureSet, *, on_progress: OnProgress | None = None) -> Floats:
    """The embeddings of all clips, (N, W, F) float32, from the cache where they were computed before.

    A clip shorter than a window is one window, W times.

    Raises:
        UserError: the front end has too few mel bands for the statistics.
    """
    kind = _kind(features.settings)
    statistics = WindowStatistics(features.settings.n_mels)
    embeddings = np.empty((len(features), WINDOWS, statistics.count), dtype=np.float32)
    with _Store(cache_folder() / "embeddings.sqlite", kind) as known:
        missing = [i for i, clip in enumerate(features.clips) if not known.read(clip.content, embeddings[i])]
        done = len(features) - len(missing)
        with single_threaded_torch():
            computed = ordered_map(lambda i: _statistics(features, statistics, i), missing, cores())
            for i, statistics_WF in zip(missing, computed, strict=True):
                # Rounded as in the store, so that the first and later calls agree.
                embeddings[i] = known.write(features.clips[i].content, statistics_WF)
                done += 1
                if on_progress:
                    on_progress(done, len(features))
    return embeddings


def _statistics(features: FeatureSet, statistics: WindowStatistics, i: int) -> Floats:
    """(W, F) of one clip."""
    settings = features.settings
    frames = max(1, int(features.frames[i]))
    mel_MT = features.as_decibels(features.batch([i])[0, :, :frames])
    length = min(frames, max(1, round(WINDOW_SECONDS * settings.sample_rate / settings.hop_length)))
    starts = np.linspace(0, frames - length, WINDOWS).round().astype(int).tolist()
    windows_WMT = torch.stack([mel_MT[:, start : start + length] for start in starts])
    statistics_WF: Floats = statistics(windows_WMT).numpy()
    return statistics_WF


def _kind(settings: FrontEndSettings) -> str:
    described = msgspec.json.encode((VERSION, WINDOWS, WINDOW_SECONDS, settings))
    return hashlib.blake2b(described, digest_size=8).hexdigest()


class _Store:
    """A cache of embeddings of one kind by content, as float16. Errors of the database are ignored."""

    def __init__(self, path: Path, kind: str) -> None:
        self._kind = kind
        self._database: sqlite3.Connection | None = None
        with suppress(sqlite3.Error, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=WAIT_SECONDS)
            database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
            self._database = database

    def read(self, content: str, into_WF: Floats) -> bool:
        """Copy the embedding of ``content`` to ``into_WF``; returns whether the store has it."""
        if self._database is None:
            return False
        row = None
        with suppress(sqlite3.Error):
            row = self._database.execute(
                "SELECT statistics FROM embeddings WHERE content = ? AND kind = ?", (content, self._kind)
            ).fetchone()
        if row is None or len(row[0]) != 2 * into_WF.size:
            return False
        into_WF[:] = np.frombuffer(row[0], dtype=np.float16).reshape(into_WF.shape)
        return True

    def write(self, content: str, statistics_WF: Floats) -> npt.NDArray[np.float16]:
        """Store an embedding; returns it as `read` will."""
        kept = statistics_WF.astype(np.float16)
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", (content, self._kind, kept.tobytes())
                )
        return kept

    def __enter__(self) -> "_Store":
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.commit()
            self._database.close()


def encode(
    found: EmbeddedSet,
    encoder: EncoderSettings,
    *,
    device: torch.device | str = "cpu",
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> Floats:
    """The embeddings of all clips by an encoder, (N, W, D) float32: for each part of a clip, the mean over its windows.

    ``on_features`` is called with the progress of the clips that are not in the feature store yet.

    Raises:
        DatasetError: the dataset is a feature pack, which has no sound, or a file has changed since it was scanned.
        UserError: the encoder is missing, or the store cannot be written.
    """
    return _encode(found.root, found.clips, found.settings, encoder, device, on_features, on_note)


def encode_clip(clip: Clip, settings: FrontEndSettings, encoder: EncoderSettings, device: torch.device | str) -> Floats:
    """As `encode`, for one clip: (W, D)."""
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
