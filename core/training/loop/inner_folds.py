"""Folds inside the training set, by which settings are chosen without touching validation or test."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.dataset.split import union_find

INNER_FOLDS = 10
"""Experts fitted to nine tenths of the clips are nearly as good, and as certain, as those fitted to all of them."""
GROUP_COLUMNS = ("artist", "group", "album")
"""Columns whose clips sound alike beyond their genre, so that they must be in one fold; where the dataset has them."""


def inner_folds(clips: Sequence[Clip]) -> Tensor:
    """The fold of each clip, int64 [N]: copies, and clips of one artist, group or album, are in the same.

    Folds get about the same number of clips of each genre. They are fewer than `INNER_FOLDS` where there are fewer
    groups.
    """
    groups = union_find(
        [
            [
                ("content", clip.content),
                ("copies", clip.group) if clip.group else None,
                *((column, value) for column in GROUP_COLUMNS if (value := clip.columns.get(column))),
            ]
            for clip in clips
        ]
    )
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    filled = [Counter[str]() for _ in range(INNER_FOLDS)]
    folds = torch.zeros(len(clips), dtype=torch.int64)
    for _, indices in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        genres = Counter(clips[i].genre for i in indices)
        main = genres.most_common(1)[0][0]
        fold = min(range(INNER_FOLDS), key=lambda k: (filled[k][main], filled[k].total(), k))
        filled[fold] += genres
        folds[indices] = fold
    return folds
