"""What a model was trained on, stored in its file so that it is never tested on those clips unnoticed."""

from collections.abc import Sequence

import msgspec

from core.dataset.clip import Clip
from core.dataset.split import PARTS, Split

LEARNT = ("train", "valid")
"""Parts that a model has learnt from, and that say nothing about its accuracy."""


class PartClips(msgspec.Struct, frozen=True):
    """The clips of one part, by ``content`` hash and by ``genre/name``.

    The name recognises a collection whose audio and feature pack have different content hashes.
    """

    content: list[str] = []
    name: list[str] = []


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset's name and path, and the clips of its parts train, valid and test."""

    name: str = ""
    path: str = ""
    parts: dict[str, PartClips] = {}

    def parts_of(self, clips: Sequence[Clip]) -> list[str | None]:
        """The part each clip had in training: train, valid, test, or None for a clip that is new to the model."""
        known: dict[str, str] = {}
        # A name that occurs in several parts counts as the first one: a clip trained on is not held out.
        for part in reversed(PARTS):
            listed = self.parts.get(part, PartClips())
            known |= dict.fromkeys([*listed.content, *listed.name], part)
        return [known.get(clip.content) or known.get(_full_name(clip)) for clip in clips]

    @property
    def learnt(self) -> frozenset[str]:
        """``genre/name`` of every clip that the model was trained on or selected by."""
        return frozenset(name for part in LEARNT for name in self.parts.get(part, PartClips()).name)


def training_set(name: str, path: str, clips: Sequence[Clip], split: Split) -> TrainingSet:
    """The training set of a dataset called ``name`` at ``path``, whose ``clips`` are divided by ``split``."""
    parts = {
        part: PartClips([clips[i].content for i in indices], [_full_name(clips[i]) for i in indices])
        for part, indices in split.parts().items()
    }
    return TrainingSet(name=name, path=path, parts=parts)


def _full_name(clip: Clip) -> str:
    return f"{clip.genre}/{clip.name}"
