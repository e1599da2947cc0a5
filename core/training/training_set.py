"""What a model was trained on, as plain values in its file: so that nobody tests it on that without knowing."""

from collections.abc import Sequence
from typing import Any

from core.dataset.clip import Clip
from core.dataset.split import PARTS, Split


def provenance(name: str, path: str, clips: Sequence[Clip], split: Split) -> dict[str, Any]:
    """The dataset's name and place, and its parts: train, valid, test → ``content`` and ``name`` of their clips.

    A clip is known again by its content; by its name where a pack of spectrograms and the audio itself have to be
    recognised as the same collection.
    """
    parts = {
        part: {
            "content": [clips[i].content for i in indices],
            "name": [_full_name(clips[i]) for i in indices],
        }
        for part, indices in split.parts().items()
    }
    return {"name": name, "path": path, "parts": parts}


class Seen:
    """Looks up which part a clip had in a model's training."""

    def __init__(self, dataset: dict[str, Any]) -> None:
        """Args:
        dataset: what `provenance` has made.
        """
        # Of a clip that is in several parts by its name, the first one counts: what was trained on is not held out.
        self._parts: dict[str, str] = {}
        for part in reversed(PARTS):
            keys = dataset.get("parts", {}).get(part, {})
            self._parts |= dict.fromkeys([*keys.get("content", []), *keys.get("name", [])], part)

    def part(self, clip: Clip) -> str | None:
        """train, valid, test, or None for a clip that is new to the model."""
        return self._parts.get(clip.content) or self._parts.get(_full_name(clip))


def _full_name(clip: Clip) -> str:
    return f"{clip.genre}/{clip.name}"
