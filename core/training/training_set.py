"""The training set of a model, stored in its file so that testing on its training clips is detected."""

from collections.abc import Sequence

import msgspec

from core.dataset.clip import Clip
from core.dataset.split import PARTS, Split

LEARNT = ("train", "valid")
"""Parts that a model was trained on or selected by, which do not measure its accuracy."""


class PartClips(msgspec.Struct, frozen=True):
    """The clips of a part, by ``content`` hash and by ``genre/name``.

    Names are needed because a collection's audio and feature pack have different content hashes.
    """

    content: list[str] = []
    name: list[str] = []


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset's name and path, and the clips of its parts train, valid and test."""

    name: str = ""
    path: str = ""
    parts: dict[str, PartClips] = {}

    def parts_of(self, clips: Sequence[Clip]) -> list[str | None]:
        """The part of each clip in training: train, valid, test, or None for a clip that is new to the model."""
        known: dict[str, str] = {}
        # A name in several parts belongs to the first, so that training clips are never counted as held out.
        for part in reversed(PARTS):
            listed = self.parts.get(part, PartClips())
            known |= dict.fromkeys([*listed.content, *listed.name], part)
        return [known.get(clip.content) or known.get(_full_name(clip)) for clip in clips]

    @property
    def learnt(self) -> frozenset[str]:
        """``genre/name`` of every clip that the model was trained on or selected by."""
        return frozenset(name for part in LEARNT for name in self.parts.get(part, PartClips()).name)


def training_set(name: str, path: str, clips: Sequence[Clip], split: Split) -> TrainingSet:
    """The training set for a dataset called ``name`` at ``path`` with ``clips`` divided by ``split``."""
    parts = {
        part: PartClips([clips[i].content for i in indices], [_full_name(clips[i]) for i in indices])
        for part, indices in split.parts().items()
    }
    return TrainingSet(name=name, path=path, parts=parts)


def _full_name(clip: Clip) -> str:
    return f"{clip.genre}/{clip.name}"
