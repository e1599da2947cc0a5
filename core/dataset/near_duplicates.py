"""Clips cut from one recording, found by their sound: keeps a recording within one fold when the artists are unknown.

Three excerpts of each clip are correlated with every position in every clip that a code of the sound makes a candidate
(see `core.dataset.fingerprints`), and the maximum counts. In the 709 clips of gtzan-logmel this finds 39 pairs, all of
one title by one artist: the ten that its index knows as copies and 29 that it does not. Different recordings reach
0.947, which is below ``ALIKE``.

Shapes: N clips, M mel bands, b bands of several of them, T frames, P positions, Q excerpts, L = ``LENGTH``, D = b · L.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from core.dataset.clip import Clip
from core.dataset.extract import OnFeatures, compute_features
from core.dataset.feature_set import FeatureSet
from core.dataset.fingerprints import candidates, codes_of
from core.dataset.pack import open_clips
from core.dataset.split import union_find
from core.dataset.split_settings import SHORTEST_COMPARED
from core.features.settings import FrontEndSettings
from core.util.atomic import write_atomic
from core.util.paths import cache_folder

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
    """Groups of clips that sound like one recording, whatever their files hold; remembered until a clip changes.

    Compares what the default front end gives of the first 30 s, or the spectrograms of the feature pack ``packed``;
    shorter clips than 5 s match no other.
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
    """The same set with a column ``recording`` for every clip: equal for clips that sound like one recording.

    Remembered until a clip changes.
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
    """The contents of each recording that has several, from the cache, or found in the ``features``."""
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
    """The content hashes of each recording that has several."""
    by_number: dict[int, dict[str, None]] = {}
    for clip, number in zip(features.clips, recordings(features), strict=True):
        by_number.setdefault(number, {})[clip.content] = None
    return [list(contents) for contents in by_number.values() if len(contents) > 1]


def recordings(features: FeatureSet) -> list[int]:
    """A number for each clip, (N,); clips that sound like one recording share theirs.

    Clips shorter than an excerpt (5 s) match no other.
    """
    step = max(1, round(STEP_SECONDS * features.settings.sample_rate / features.settings.hop_length))

    @lru_cache(MOST_KEPT)
    def clip(i: int) -> tuple[Tensor, Tensor]:
        """Every position in a clip, (P, D), and its excerpts, (Q, D); empty for a short one."""
        mel_MT = features.spectrogram(i).float()
        # Two cuts have different frame offsets, by at most a quarter of a step when half a step is tried too.
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
    """Every excerpt of a clip as a unit vector, (P, D), in wide bands and coarse frames that overlap by half.

    Each band has zero mean, which removes the timbre.
    """
    bands = max(1, len(mel_MT) // BANDS)
    if mel_MT.shape[1] < (LENGTH + 1) * step:
        return torch.empty(0)
    coarse_bT = functional.avg_pool2d(mel_MT[None], (bands, 2 * step), stride=(bands, step))[0]
    places_bPL = coarse_bT.unfold(1, LENGTH, 1)
    places_PbL = (places_bPL - places_bPL.mean(2, keepdim=True)).transpose(0, 1)
    return functional.normalize(places_PbL.flatten(1), dim=1)
