"""Clips cut from one recording, found by their sound: keeps a recording within one fold when the artists are unknown.

Three excerpts of each clip are correlated with every position in every other clip, and the maximum counts. In the
709 clips of gtzan-logmel this finds 39 pairs, all of one title by one artist: the ten that its index knows as copies
and 29 that it does not. Different recordings reach 0.947, which is below ``ALIKE``. That takes 7 s of one core, and
grows with the square of the number of clips.

Shapes: N clips, M mel bands, b bands of several of them, T frames, P positions, Q excerpts, L = ``LENGTH``, D = b · L.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from core.dataset.feature_set import FeatureSet
from core.dataset.split import union_find

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
