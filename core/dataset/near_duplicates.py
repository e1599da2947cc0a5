"""Finding clips cut from one recording by their sound, to keep a recording in one fold if artists are unknown.

Three excerpts of each clip are correlated with every position in every clip that a code of the sound makes a candidate,
and the maximum counts. In the 709 clips of gtzan-logmel this finds 39 pairs, all of one title by one artist: the ten
that its index knows as copies and 29 that it does not. Different recordings reach 0.947, which is below ``ALIKE``.

A code holds the signs of 128 random projections. Two unit vectors at an angle a differ in each sign with probability
a / pi (Charikar, 2002), so excerpts that correlate by 0.95 differ in about 13, unrelated ones in 64. Sixteen signs are
a key: clips with one of four keys in common are compared by their whole codes.

Shapes: N clips (in `candidates` positions of all clips), M mel bands, b bands of several of them, T frames, P
positions, Q excerpts, L = ``LENGTH``, D = b · L."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from core.dataset.clip import Clip
from core.dataset.pack import open_clips
from core.dataset.settings import SHORTEST_COMPARED
from core.dataset.split import union_find
from core.dataset.store.extract import OnFeatures, compute_features
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import FrontEndSettings
from core.util.atomic import write_atomic
from core.util.paths import cache_folder

BITS, KEYS = 128, 4
MOST_DIFFERENT = 12
"""Most different signs in each word of the codes of similar excerpts: twice the number expected at 0.95."""
AT_ONCE = 1 << 21
"""Comparisons of codes at a time, which take about 100 MB."""
Codes = npt.NDArray[np.uint64]
"""(N, 2): the signs in two words."""


def codes_of(vectors_ND: npt.NDArray[np.float32]) -> Codes:
    """A code for each vector."""
    planes_DB = np.random.default_rng(0).standard_normal((vectors_ND.shape[1], BITS), dtype=np.float32)
    return np.packbits(vectors_ND @ planes_DB > 0, axis=1).view(np.uint64)


def candidates(positions: Sequence[Codes], excerpts: Sequence[Codes]) -> Iterator[tuple[int, int]]:
    """Yield, once, each pair of clips in which an excerpt of one has a code similar to that of a position in the other.

    Args:
        positions: for each clip, the codes of all its positions.
        excerpts: for each clip, the codes of a few positions, which are looked up among those of all other clips.
    """
    owner_N = np.repeat(np.arange(len(positions), dtype=np.int32), [len(codes) for codes in positions])
    owner_Q = np.repeat(np.arange(len(excerpts), dtype=np.int32), [len(codes) for codes in excerpts])
    code_N2, code_Q2 = np.concatenate(positions), np.concatenate(excerpts)
    seen: set[int] = set()
    for key in range(KEYS):
        key_N, key_Q = (codes.view(np.uint16)[:, key] for codes in (code_N2, code_Q2))
        order_N = np.argsort(key_N, kind="stable").astype(np.int32)
        sorted_N = key_N[order_N]
        first_Q = np.searchsorted(sorted_N, key_Q, "left")
        count_Q = np.searchsorted(sorted_N, key_Q, "right") - first_Q
        total_Q = np.cumsum(count_Q)
        begin = 0
        while begin < len(code_Q2):
            done = total_Q[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(total_Q, done + AT_ONCE, "right")))
            some = slice(begin, end)
            begin = end
            query_C = np.repeat(np.arange(some.start, some.stop), count_Q[some])
            starts_C = np.repeat(first_Q[some] - (total_Q[some] - count_Q[some] - done), count_Q[some])
            place_C = order_N[starts_C + np.arange(len(query_C))]
            for word in range(BITS // 64):
                differ_C = np.bitwise_count(code_N2[place_C, word] ^ code_Q2[query_C, word])
                kept_C = differ_C <= MOST_DIFFERENT
                place_C, query_C = place_C[kept_C], query_C[kept_C]
            a, b = owner_N[place_C].astype(np.int64), owner_Q[query_C].astype(np.int64)
            pairs = np.unique(np.minimum(a, b) * len(positions) + np.maximum(a, b))
            for pair in pairs.tolist():
                first, second = divmod(pair, len(positions))
                if first != second and pair not in seen:
                    seen.add(pair)
                    yield first, second


COLUMN = "recording"
"""The column that ``with_recordings`` adds."""
ALIKE = 0.95
"""Correlation at which two clips count as one recording."""
BANDS = 16
STEP_SECONDS = 0.155
LENGTH = 32
"""Coarse frames per excerpt: 5 s."""
MOST_KEPT = 128
"""Clips whose positions stay in memory, 0.3 MB each."""
STRETCHES = (0.15, 0.5, 0.85)
"""Where in a clip the excerpts begin, as fractions."""


def alike(clips: Sequence[Clip], on_features: OnFeatures | None = None, packed: Path | None = None) -> list[list[Clip]]:
    """Groups of clips that sound like one recording; they are cached until a clip changes.

    The first 30 s are compared with the default front end, or the spectrograms of the feature pack ``packed``. Clips
    shorter than 5 s match no others.
    """
    compared = [clip for clip in clips if clip.duration_s >= SHORTEST_COMPARED]

    def features() -> FeatureSet:
        if packed is not None:
            return open_clips(packed, compared)
        return compute_features(compared, FrontEndSettings(), on_progress=on_features)[0]

    contents = [clip.content for clip in compared]
    groups = _remembered_groups(contents, "", features) if len(compared) > 1 else []
    return [[clip for clip in compared if clip.content in group] for group in map(set, groups)]


def with_recordings(features: FeatureSet) -> FeatureSet:
    """Add the column ``recording``, which is equal for clips that sound like one recording.

    It is cached until a clip changes.
    """
    contents = [clip.content for clip in features.clips]
    groups = _remembered_groups(contents, repr(features.settings), lambda: features)
    first_of = {content: group[0] for group in groups for content in group}
    numbers = {content: number for number, content in enumerate(dict.fromkeys(contents))}
    clips = [
        replace(clip, columns=clip.columns | {COLUMN: str(numbers[first_of.get(clip.content, clip.content)])})
        for clip in features.clips
    ]
    return replace(features, clips=clips)


def _remembered_groups(contents: list[str], front_end: str, features: Callable[[], FeatureSet]) -> list[list[str]]:
    """The content hashes of recordings with several clips, from the cache or else from ``features``."""
    digest = hashlib.blake2b("".join([*sorted(contents), front_end]).encode(), digest_size=16).hexdigest()
    path = cache_folder() / "alike" / f"{digest}.msgpack"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.msgpack.decode(path.read_bytes(), type=list[list[str]])
    groups = _groups(features())
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.msgpack.encode(groups))
    return groups


def _groups(features: FeatureSet) -> list[list[str]]:
    """The content hashes of recordings with several clips."""
    by_number: dict[int, dict[str, None]] = {}
    for clip, number in zip(features.clips, recordings(features), strict=True):
        by_number.setdefault(number, {})[clip.content] = None
    return [list(contents) for contents in by_number.values() if len(contents) > 1]


def recordings(features: FeatureSet) -> list[int]:
    """A recording number for each clip, (N,), which is equal for clips that sound like one recording.

    Clips shorter than an excerpt (5 s) match no others.
    """
    step = max(1, round(STEP_SECONDS * features.settings.sample_rate / features.settings.hop_length))

    @lru_cache(MOST_KEPT)
    def clip(i: int) -> tuple[Tensor, Tensor]:
        """All positions of a clip, (P, D), and its excerpts, (Q, D); both are empty for a short clip."""
        mel_MT = features.spectrogram(i).float()
        # Frame offsets of two cuts differ by at most a quarter of a step, because half a step is tried as well.
        phases = [_places(mel_MT[:, shift:], step) for shift in (0, step // 2)]
        if not all(map(len, phases)):
            return torch.empty(0), torch.empty(0)
        excerpts = [phase[int(share * len(phase))] for phase in phases for share in STRETCHES]
        return phases[0], torch.stack(excerpts)

    owners, positions, excerpts = [], [], []
    for i in range(len(features)):
        position_PD, excerpt_QD = clip(i)
        if len(position_PD):
            owners.append(i)
            positions.append(codes_of(position_PD.numpy()))
            excerpts.append(codes_of(excerpt_QD.numpy()))
    keys: list[list[tuple[int, int]]] = [[] for _ in range(len(features))]
    for a, b in candidates(positions, excerpts) if owners else ():
        (a_PD, a_QD), (b_PD, b_QD) = clip(owners[a]), clip(owners[b])
        if max((a_QD @ b_PD.T).max(), (b_QD @ a_PD.T).max()) >= ALIKE:
            keys[owners[a]].append((a, b))
            keys[owners[b]].append((a, b))
    return union_find(keys)


def _places(mel_MT: Tensor, step: int) -> Tensor:
    """All excerpts of a clip as unit vectors, (P, D), of wide bands and coarse frames that overlap by half.

    Each band has zero mean, which removes the timbre.
    """
    bands = max(1, len(mel_MT) // BANDS)
    if mel_MT.shape[1] < (LENGTH + 1) * step:
        return torch.empty(0)
    coarse_bT = functional.avg_pool2d(mel_MT[None], (bands, 2 * step), stride=(bands, step))[0]
    places_bPL = coarse_bT.unfold(1, LENGTH, 1)
    places_PbL = (places_bPL - places_bPL.mean(2, keepdim=True)).transpose(0, 1)
    return functional.normalize(places_PbL.flatten(1), dim=1)
