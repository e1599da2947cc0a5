"""Computing spectrograms for the feature store.

On a CPU a thread takes one clip from file to spectrogram, which beats batches there; on another device threads decode
into pinned memory while the device works on the batch before, and resamples where the ratio's filter is small.

Shapes: B clips, N samples, M mel bands, T frames."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.audio.conversion import resample
from core.audio.files.decode import AudioReader, decode_pcm16
from core.audio.files.open_file import AudioError, open_file
from core.audio.files.truncation import missing
from core.dataset.clip import Clip, ExcerptRule, Excluded, OnNote, excerpts_of
from core.dataset.inspect_file import SILENCE
from core.dataset.store.feature_set import FeatureSet, free_memory
from core.dataset.store.feature_store import FeatureStore, async_writer
from core.features.log_mel import FrontEnd, quantise
from core.features.settings import FrontEndSettings
from core.features.torchaudio_import import torchaudio
from core.util.parallel import cores, ordered_map, single_threaded_torch
from core.util.text import printable

LARGEST_KERNEL = 1 << 18
"""Most coefficients (phases × input samples) of the filter: 48 → 22.05 kHz needs 47,000; 44,101 → 22,050 Hz would
need a billion, more than the machine's memory."""

SAMPLES_AT_ONCE = 64 * 30 * 48_000
"""Most samples that are resampled at a time."""
Wave = tuple[Tensor, int]
"""A waveform, (samples,) int16 or float32 on any device, and its rate in Hz."""


def can_resample_on_device(rate: int, target: int) -> bool:
    """Whether the filter is small enough for `resample_on_device`."""
    common = gcd(rate, target)
    return (rate // common) * (target // common) <= LARGEST_KERNEL


def resample_on_device(y: Tensor, rate: int, target: int) -> Tensor:
    """(..., samples) at ``rate`` Hz → (..., ⌈samples · target / rate⌉) at ``target`` Hz, on the tensor's device.

    A windowed sinc with the settings of resampy's ``kaiser_best``, so that its pass band is close to soxr's.
    """
    if rate == target:
        return y
    resampled: Tensor = torchaudio.functional.resample(
        y,
        rate,
        target,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )
    return resampled


def at_one_rate(waves: Sequence[Wave], target: int, samples: int, device: torch.device) -> tuple[Tensor, list[int]]:
    """Waveforms of any rates → (waves, samples) float32 at ``target`` Hz on ``device``, and their valid lengths.

    They are padded with zeros or truncated. Those of one rate and dtype are resampled together.
    """
    lengths = [min(samples, -(-len(wave_N) * target // rate)) for wave_N, rate in waves]
    wave_BN = torch.zeros(len(waves), samples, device=device)
    for indices in _alike(waves):
        rate, dtype = waves[indices[0]][1], waves[indices[0]][0].dtype
        longest = max(len(waves[index][0]) for index in indices)
        part_BN = torch.zeros(len(indices), longest, dtype=dtype, device=device)
        for row_N, index in zip(part_BN, indices, strict=True):
            wave_N = waves[index][0]
            row_N[: len(wave_N)].copy_(wave_N, non_blocking=True)
        part_BN = resample_on_device(part_BN.float(), rate, target)[:, :samples]
        # The filter rings after the end of a waveform.
        end_B = torch.tensor([lengths[index] for index in indices], device=device)
        part_BN = part_BN * (torch.arange(part_BN.shape[1], device=device) < end_B[:, None])
        wave_BN[torch.tensor(indices, device=device), : part_BN.shape[1]] = part_BN
    return wave_BN, lengths


def _alike(waves: Sequence[Wave]) -> Iterator[list[int]]:
    """Yield indices of waveforms of the same rate and dtype, at most `SAMPLES_AT_ONCE` samples at a time."""
    kinds: dict[tuple[int, torch.dtype], list[int]] = defaultdict(list)
    for index, (wave_N, rate) in enumerate(waves):
        kinds[rate, wave_N.dtype].append(index)
    for indices in kinds.values():
        count = max(1, SAMPLES_AT_ONCE // max(len(waves[index][0]) for index in indices))
        for first in range(0, len(indices), count):
            yield indices[first : first + count]


OnFeatures = Callable[[int, int, int], None]
"""Called with the number of finished excerpts, of all excerpts, and of those that were in the store already."""
Computed = tuple[Clip, Tensor | AudioError]
"""A clip with its codes, (M, valid frames) uint8 in CPU memory, or with the error."""
LARGEST_BATCH = 64
"""Most clips in a batch: with more, an H200 waits for their decoding and for pinned memory."""
FLOATS_A_BIN = 8
"""Peak memory of the front end: floats per bin of the transform."""


def compute_features(
    clips: Sequence[Clip],
    settings: FrontEndSettings,
    *,
    excerpts: ExcerptRule = "first",
    device: torch.device | str = "cpu",
    store: FeatureStore | None = None,
    on_progress: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> tuple[FeatureSet, list[Excluded]]:
    """The spectrograms of all clips, on disk (`FeatureSet.to` loads them), and the clips that have none.

    Only spectrograms that are missing from the store, or damaged in it, are computed; damage is reported to
    ``on_note``. ``excerpts`` says which parts of ``settings.seconds`` are taken from each clip. Silent ones are left
    out. A clip that has no others, or whose file was removed since the scan, is excluded.

    Raises:
        UserError: the store cannot be written.
    """
    store = FeatureStore(settings) if store is None else store  # an empty store is falsy
    wanted = [excerpts_of(clip, settings.seconds, excerpts) for clip in clips]
    parts = [part for own in wanted for part in own]
    compute = partial(_computed, settings=settings, device=torch.device(device))
    failed = fill_store(store, parts, compute, "spectrograms", on_progress=on_progress, on_note=on_note)
    kept: list[Clip] = []
    keys: list[list[str]] = []
    excluded: list[Excluded] = []
    for clip, own in zip(clips, wanted, strict=True):
        if good := [part.key for part in own if part.key not in failed]:
            kept.append(clip)
            keys.append(good)
        else:
            excluded.append(Excluded(printable(clip.path), failed[own[0].key].reason))
    return _feature_set(kept, keys, settings, store), excluded


def fill_store(
    store: FeatureStore,
    parts: Sequence[Clip],
    compute: Callable[[list[Clip]], Iterator[Computed]],
    what: str,
    *,
    on_progress: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> dict[str, AudioError]:
    """Compute the parts that ``store`` lacks and add them to it; returns the errors by key.

    Args:
        what: the plural noun for what is stored, for the note about damage.

    Raises:
        UserError: the store cannot be written.
    """
    damaged = store.drop_damaged([part.key for part in parts if part.key in store])
    if damaged and on_note:
        on_note(f"Damaged {what} in the feature store are computed again: {len(damaged):,}.")
    missing = {part.key: part for part in parts if part.key not in store}
    cached = sum(part.key in store for part in parts)
    failed: dict[str, AudioError] = {}
    if on_progress:
        on_progress(cached, len(parts), cached)
    if not missing:
        return failed
    with async_writer(store) as put:
        for done, (part, result) in enumerate(compute(list(missing.values())), start=1):
            if isinstance(result, AudioError):
                failed[part.key] = result
            else:
                put(part.key, result)
            if on_progress:
                on_progress(len(parts) - len(missing) + done, len(parts), cached)
    return failed


def _feature_set(
    clips: list[Clip], keys: list[list[str]], settings: FrontEndSettings, store: FeatureStore
) -> FeatureSet:
    """``keys`` are those of each clip's excerpts."""
    mel, frames = store.rows([key for own in keys for key in own])
    genres = sorted({clip.genre for clip in clips})
    labels = [genres.index(clip.genre) for clip in clips]
    counts = torch.tensor([len(own) for own in keys], dtype=torch.int64)
    return FeatureSet(mel, torch.tensor(frames), torch.tensor(labels), genres, clips, settings, counts)


def _computed(clips: list[Clip], settings: FrontEndSettings, device: torch.device) -> Iterator[Computed]:
    front_end = FrontEnd(settings).to(device)
    return (_one_by_one if device.type == "cpu" else in_batches)(clips, front_end, device)


def _one_by_one(clips: list[Clip], front_end: FrontEnd, device: torch.device) -> Iterator[Computed]:
    """One clip per thread, from file to codes."""
    settings = front_end.settings

    @torch.inference_mode()  # in each thread; without it the many small operations take a tenth longer
    def spectrogram(clip: Clip) -> Computed:
        try:
            y, rate = waveform(clip, settings.seconds)
            y = resample(y.astype(np.float32, copy=False), rate, settings.sample_rate)[: settings.samples]
            wave_N = torch.from_numpy(y)
            return clip, quantise(front_end(wave_N[None])[0], settings.top_db)
        except AudioError as error:
            return clip, error

    with single_threaded_torch():
        yield from ordered_map(spectrogram, clips, cores())


def in_batches(clips: list[Clip], front_end: FrontEnd, device: torch.device) -> Iterator[Computed]:
    """Process batches on ``device``, sized to half of its free memory, while threads decode the next clips."""
    settings = front_end.settings
    size = max(1, min(LARGEST_BATCH, free_memory(device) // 2 // _bytes_a_clip(settings)))
    decoded = ordered_map(partial(_decoded, settings=settings, device=device), clips, cores())
    while batch := list(islice(decoded, size)):
        good = [(clip, wave, rate) for clip, wave, rate in batch if isinstance(wave, Tensor)]
        yield from ((clip, wave) for clip, wave, _ in batch if isinstance(wave, AudioError))
        if not good:
            continue
        waves = [(wave, rate) for _, wave, rate in good]
        wave_BN, samples = at_one_rate(waves, settings.sample_rate, settings.samples, device)
        quantised_BMT = quantise(front_end(wave_BN), settings.top_db).cpu()
        for (clip, _, _), quantised_MT, count in zip(good, quantised_BMT, samples, strict=True):
            yield clip, quantised_MT[:, : front_end.frames_of(count)]


def _decoded(clip: Clip, *, settings: FrontEndSettings, device: torch.device) -> tuple[Clip, Tensor | AudioError, int]:
    """A clip's waveform, (N,) int16 or float32, in pinned memory if that makes the copy faster, and its rate.

    Rates with an inconvenient ratio to the target are resampled here, others on the device.
    """
    try:
        y, rate = waveform(clip, settings.seconds)
    except AudioError as error:
        return clip, error, 0
    if not can_resample_on_device(rate, settings.sample_rate):
        y, rate = resample(y.astype(np.float32, copy=False), rate, settings.sample_rate), settings.sample_rate
    wave_N = torch.from_numpy(y)
    return clip, wave_N.pin_memory() if device.type == "cuda" else wave_N, rate


def waveform(clip: Clip, seconds: float) -> tuple[npt.NDArray[Any], int]:
    """``seconds`` of the clip from its ``start_s``, and their rate in Hz.

    (samples,) int16 for plain 16-bit files, else float32. Sound before it is skipped without decoding it.

    Raises:
        AudioError: the file cannot be decoded, or is silent there.
    """
    start = clip.start_s
    y, rate = decode_pcm16(clip.path, start=start, duration=seconds) or _decoded_part(clip, seconds)
    full_scale = 32768 if y.dtype == np.int16 else 1
    if float(y.max()) - float(y.min()) < SILENCE * full_scale:
        where = f"in its first {seconds:g} s" if start == 0 else f"from {start:g} s to {start + seconds:g} s"
        raise AudioError(clip.path, f"is silent {where}")
    return y, rate


def _decoded_part(clip: Clip, seconds: float) -> tuple[npt.NDArray[np.float32], int]:
    """Decode a part of a file.

    Raises:
        AudioError: as for `waveform`, or a piece of that part cannot be decoded.
    """
    with open_file(clip.path) as file:
        reader = AudioReader(clip.path, file)
        pieces = list(reader.pieces(clip.start_s, seconds))
        if not pieces:
            raise AudioError(clip.path, f"holds no samples at {clip.start_s:g} s")
        is_whole = clip.start_s == 0 and clip.duration_s <= seconds
        damage = reader.damage if is_whole else missing(min(seconds, clip.duration_s - clip.start_s), reader.seconds)
    if damage:
        raise AudioError(clip.path, damage)
    return np.concatenate([piece for piece, _ in pieces]), pieces[0][1]


def _bytes_a_clip(settings: FrontEndSettings) -> int:
    return 4 * FLOATS_A_BIN * (settings.n_fft // 2 + 1) * settings.frames + 4 * settings.samples
