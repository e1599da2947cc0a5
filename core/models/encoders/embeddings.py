"""Embeddings of a dataset's clips: computed once for each encoder and content, and kept in the feature store.

Suffixes: W windows of an excerpt, B windows in a batch, N samples, D numbers of an embedding.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from core.audio.conversion import resample
from core.audio.files.open_file import AudioError
from core.dataset.clip import Clip, DatasetError, ExcerptRule, OnNote, excerpts_of
from core.dataset.pack_manifest import is_pack
from core.dataset.store.extract import Computed, OnFeatures, fill_store, waveform
from core.dataset.store.feature_set import FeatureSet
from core.dataset.store.feature_store import FeatureStore
from core.features.settings import EncoderSettings
from core.models.encoders.encoder import Encoder
from core.models.encoders.load import is_present, load_encoder
from core.util.parallel import cores, ordered_map
from core.util.text import printable

BATCH_SECONDS, BATCH_SECONDS_CUDA = 48.0, 2_400.0
"""Seconds of sound per batch on a CPU and on CUDA: 16 and 800 windows of 3 s."""
BYTES = 4
"""Bytes of a number in the store."""


class StoredEmbeddings(msgspec.Struct, frozen=True):
    """Key of a `FeatureStore` of embeddings. A row holds those of an excerpt as bytes, one column per window."""

    sha256: str
    sample_rate: int
    window_samples: int
    dim: int
    seconds: float

    @property
    def shape(self) -> tuple[int, int]:
        return BYTES * self.dim, windows_in(round(self.seconds * self.sample_rate), self.window_samples)


def windows_in(samples: int, window: int) -> int:
    """Number of windows that cover ``samples``, rounded to whole windows."""
    return max(1, round(samples / window))


def cut_windows(wave_N: Tensor, window: int) -> Tensor:
    """Cut a sound into windows [W, window], evenly spaced from its first sample to its last.

    A sound that is shorter than a window is repeated, as at inference.
    """
    if len(wave_N) < window:
        wave_N = wave_N.repeat(-(-window // len(wave_N)))[:window]
    last = len(wave_N) - window
    starts = torch.linspace(0, last, windows_in(len(wave_N), window)).round().long().tolist()
    return torch.stack([wave_N[start : start + window] for start in starts])


def with_embeddings(
    features: FeatureSet,
    data: str | os.PathLike[str],
    settings: EncoderSettings,
    excerpts: ExcerptRule,
    *,
    device: torch.device | str = "cpu",
    on_progress: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> FeatureSet:
    """Add the embeddings of each excerpt to ``features``; those that the store lacks are computed on ``device``.

    Args:
        data: the dataset from which the features were computed.
        excerpts: the rule by which the features were made.
        on_progress, on_note: see `core.dataset.store.extract.compute_features`.

    Raises:
        DatasetError: ``data`` is a feature pack, which has no audio, or a file has changed.
        UserError: the encoder is missing, or the store cannot be written.
    """
    if is_pack(Path(data)):
        raise DatasetError("An encoder needs audio, and a feature pack holds none: name the folder of audio.")
    seconds = features.settings.seconds
    store = _store(settings, seconds)
    wanted = [excerpts_of(clip, seconds, excerpts) for clip in features.clips]
    parts = [part for own in wanted for part in own]
    compute = partial(_computed, settings=settings, seconds=seconds, device=torch.device(device))
    failed = fill_store(store, parts, compute, "embeddings", on_progress=on_progress, on_note=on_note)
    if on_note and not is_present(settings.name):
        on_note(
            f"the encoder {printable(settings.name)} is not on this machine: the embeddings come from the feature "
            "store, and the model can classify files only where the encoder is"
        )
    keys = [[part.key for part in own if part.key not in failed] for own in wanted]
    for own, clip, count in zip(keys, features.clips, features.excerpts.count_N.tolist(), strict=True):
        if len(own) != count:
            raise DatasetError(f"{clip.name} has changed while the dataset was read: start again.")
    rows, counts = store.rows([key for own in keys for key in own])
    embeddings_RWD = torch.stack([_as_numbers(codes) for codes in rows[slice(None)]])
    device = features.device
    return replace(features, embeddings=embeddings_RWD.to(device), windows=torch.tensor(counts, device=device))


def count_missing(clips: Iterable[Clip], settings: EncoderSettings, seconds: float, excerpts: ExcerptRule) -> int:
    """How many excerpts of ``seconds`` have no embedding in the store.

    Raises:
        UserError: the store cannot be opened.
    """
    store = _store(settings, seconds)
    return sum(part.key not in store for clip in clips for part in excerpts_of(clip, seconds, excerpts))


def _store(settings: EncoderSettings, seconds: float) -> FeatureStore:
    stored = StoredEmbeddings(settings.sha256, settings.sample_rate, settings.window_samples, settings.dim, seconds)
    return FeatureStore(stored)


def _computed(parts: list[Clip], settings: EncoderSettings, seconds: float, device: torch.device) -> Iterator[Computed]:
    """Yield each part with its embeddings as bytes, in any order; threads decode while the device computes."""
    encoder = load_encoder(settings, device)
    seconds_together = BATCH_SECONDS_CUDA if device.type == "cuda" else BATCH_SECONDS
    most = max(1, round(seconds_together * encoder.sample_rate / encoder.window_samples))
    waiting: list[tuple[Clip, Tensor]] = []
    for part, windows in ordered_map(partial(_decoded, encoder=encoder, seconds=seconds), parts, cores()):
        if isinstance(windows, AudioError):
            yield part, windows
            continue
        waiting.append((part, windows))
        if sum(len(one) for _, one in waiting) >= most:
            yield from _encoded(waiting, encoder, device)
            waiting.clear()
    if waiting:
        yield from _encoded(waiting, encoder, device)


def _encoded(waiting: list[tuple[Clip, Tensor]], encoder: Encoder, device: torch.device) -> Iterator[Computed]:
    with torch.inference_mode():
        embedding_BD = encoder(torch.cat([windows for _, windows in waiting]).to(device)).float().cpu()
    parts = torch.split(embedding_BD, [len(windows) for _, windows in waiting])
    yield from zip((part for part, _ in waiting), map(_as_bytes, parts), strict=True)


def _decoded(part: Clip, *, encoder: Encoder, seconds: float) -> tuple[Clip, Tensor | AudioError]:
    try:
        y, rate = waveform(part, seconds)
    except AudioError as error:
        return part, error
    # Integers are scaled to full scale 1, as in the encoders' training.
    scale = np.float32(1 / 32768 if y.dtype == np.int16 else 1)
    y = resample(y.astype(np.float32) * scale, rate, encoder.sample_rate)
    return part, cut_windows(torch.from_numpy(y[: round(seconds * encoder.sample_rate)]), encoder.window_samples)


def _as_bytes(embedding_WD: Tensor) -> Tensor:
    """[W, D] float32 → [4 D, W] uint8."""
    return embedding_WD.contiguous().view(torch.uint8).t().contiguous()


def _as_numbers(codes_MW: Tensor) -> Tensor:
    """The inverse of `_as_bytes`."""
    return codes_MW.t().contiguous().view(torch.float32)
