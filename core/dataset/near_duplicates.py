"""Clips cut from one recording, found by their sound: keeps a recording within one fold when the artists are unknown.

Three excerpts of each clip are correlated with every position in every other clip, and the maximum counts. In the
709 clips of gtzan-logmel this finds 39 pairs, all of one title by one artist: the ten that its index knows as copies
and 29 that it does not. Different recordings reach 0.947, which is below ``ALIKE``. That takes 7 s of one core, and
grows with the square of the number of clips.

Shapes: N clips, M mel bands, b bands of several of them, T frames, P positions, Q excerpts, L = ``LENGTH``, D = b · L.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from core.dataset.clip import Clip
from core.dataset.extract import OnFeatures, compute_features
from core.dataset.feature_set import FeatureSet
from core.dataset.split import union_find
from core.dataset.split_settings import SHORTEST_COMPARED
from core.features.settings import FrontEndSettings
from core.util.atomic import write_atomic
from core.util.dirs import cache_folder

COLUMN = "recording"
"""The column that ``with_recordings`` adds."""
ALIKE = 0.95
"""Correlation at which two clips count as one recording."""
BANDS = 16
STEP_SECONDS = 0.155
LENGTH = 32
"""Coarse frames per excerpt: 5 s."""
STRETCHES = (0.15, 0.5, 0.85)
"""Where in a clip the excerpts begin, as fractions."""


def alike(clips: Sequence[Clip], on_features: OnFeatures | None = None) -> list[list[Clip]]:
    """Groups of clips that sound like one recording, whatever their files hold; remembered until a clip changes.

    Compares what the default front end gives of the first 30 s; shorter clips than 5 s match no other.
    """
    compared = [clip for clip in clips if clip.duration_s >= SHORTEST_COMPARED]
    digest = hashlib.blake2b("".join(sorted(clip.content for clip in compared)).encode(), digest_size=16).hexdigest()
    path = cache_folder() / "alike" / f"{digest}.msgpack"
    groups: list[list[str]] = []
    try:
        groups = msgspec.msgpack.decode(path.read_bytes(), type=list[list[str]])
    except (OSError, msgspec.DecodeError):
        if len(compared) > 1:
            groups = _groups(compute_features(compared, FrontEndSettings(), on_progress=on_features)[0])
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, msgspec.msgpack.encode(groups))
    return [[clip for clip in compared if clip.content in contents] for contents in map(set, groups)]


def _groups(features: FeatureSet) -> list[list[str]]:
    """The content hashes of each recording that has several."""
    by_number: dict[int, dict[str, None]] = {}
    for clip, number in zip(features.clips, recordings(features), strict=True):
        by_number.setdefault(number, {})[clip.content] = None
    return [list(contents) for contents in by_number.values() if len(contents) > 1]


def with_recordings(features: FeatureSet) -> FeatureSet:
    """The same set with a column ``recording`` for every clip: equal for clips that sound like one recording."""
    numbers = recordings(features)
    clips = [
        replace(clip, columns=clip.columns | {COLUMN: str(number)})
        for clip, number in zip(features.clips, numbers, strict=True)
    ]
    return replace(features, clips=clips)


def recordings(features: FeatureSet) -> list[int]:
    """A number for each clip, (N,); clips that sound like one recording share theirs.

    Clips shorter than an excerpt (5 s) match no other.
    """
    settings = features.settings
    step = max(1, round(STEP_SECONDS * settings.sample_rate / settings.hop_length))
    places: dict[int, Tensor] = {}
    excerpts: list[Tensor] = []
    for i in range(len(features)):
        mel_MT = features.spectrogram(i).float()
        # Two cuts have different frame offsets, by at most a quarter of a step when half a step is tried too.
        phases = [_places(mel_MT[:, shift:], step) for shift in (0, step // 2)]
        if all(map(len, phases)):
            places[i] = phases[0]
            excerpts += [phase[int(share * len(phase))] for phase in phases for share in STRETCHES]
    if not places:
        return list(range(len(features)))
    owners = list(places)
    excerpts_QD = torch.stack(excerpts)
    keys: list[list[tuple[int, int]]] = [[] for _ in range(len(features))]
    for i in owners:
        alike_QP = excerpts_QD @ places[i].T
        best_N = alike_QP.amax(1).view(len(owners), -1).amax(1)
        for k in torch.nonzero(best_N >= ALIKE).flatten().tolist():
            keys[i].append((i, owners[k]))
            keys[owners[k]].append((i, owners[k]))
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
