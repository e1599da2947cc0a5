"""The sounds that were given to the classifier, and what it has said about each so far."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.inference.types import Unreadable
from core.inference.workers.file_worker import Classify, Judged, Refused, as_path, as_text
from tui.classify.classifier_client import ClassifierProcess
from tui.classify.results import Sound
from tui.widgets.spectrogram_view import Image

PICTURES = 300
"""Spectrograms that are kept; the oldest give way, and come back when the file is judged again."""


class Sounds:
    """In the order in which they were given; those that wait are requests of the process."""

    def __init__(self, process: ClassifierProcess) -> None:
        self._process = process
        self._sounds: dict[Path, Sound] = {}
        self._pictured: dict[Path, Sound] = {}

    def __iter__(self) -> Iterator[Sound]:
        return iter(self._sounds.values())

    def __len__(self) -> int:
        return len(self._sounds)

    @property
    def waiting(self) -> int:
        return sum(sound.state == "waiting" for sound in self)

    def give(self, found: Sequence[Path | Unreadable]) -> Sound | None:
        """Have these judged, those anew that have been judged already; the first of them."""
        first: Sound | None = None
        for item in found:
            path = Path(item.path) if isinstance(item, Unreadable) else item.absolute()
            fresh = path not in self._sounds
            sound = self._sounds.setdefault(path, Sound(path))
            first = first or sound
            if isinstance(item, Unreadable):
                sound.state, sound.unreadable = "unreadable", item
            elif fresh or sound.state != "waiting":
                sound.state, sound.prediction, sound.unreadable = "waiting", None, None
                self._process.ask(Classify(as_text(path)))
        return first

    def judged(self, answer: Judged) -> None:
        sound = self._sounds.get(as_path(answer.path))
        if sound is None:
            return  # dropped while it was judged
        sound.prediction, sound.unreadable = answer.result, answer.unreadable
        sound.state = "judged" if answer.result is not None else "unreadable"
        sound.image = Image(answer.bands, base64.b64decode(answer.image))
        self._pictured[sound.path] = sound
        while len(self._pictured) > PICTURES:
            self._pictured.pop(next(iter(self._pictured))).image = None

    def refused(self, refusal: Refused) -> None:
        """The classifier could not even try."""
        self.judged(Judged(refusal.path, unreadable=Unreadable(path=refusal.path, error=refusal.error)))

    def drop(self, path: Path) -> None:
        self._sounds.pop(path, None)
        self._pictured.pop(path, None)
        self._process.withdraw(lambda request: not (isinstance(request, Classify) and as_path(request.path) == path))

    def clear(self) -> None:
        """What waits is taken back; with nothing waiting, all are dropped."""
        if self.waiting:
            self._process.withdraw(lambda request: not isinstance(request, Classify))
            self._sounds = {path: sound for path, sound in self._sounds.items() if sound.state != "waiting"}
        else:
            self._sounds.clear()
            self._pictured.clear()
