"""The classification queue: the files given to the classifier, and their predictions so far."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.inference.types import Unreadable
from core.inference.workers.file_worker import Answer, Classified, Classify, Load, Request
from core.util.jsonl_process import JsonlProcess, Refused, path_from_json, path_to_json
from tui.classify.results import Sound
from tui.widgets.spectrogram_view import Image

PICTURES = 300
"""Spectrograms that are kept; the oldest are dropped, and come back when the file is classified again."""


def classifier_process(
    on_message: Callable[[Answer | Refused, Request | None], object],
) -> JsonlProcess[Request, Answer]:
    return JsonlProcess(
        "core.inference.workers.file_worker",
        Answer,
        on_message,
        crashed="the decoder or the network crashed on it; see the viewer's log",
    )


class Sounds:
    """The sounds in the order in which they were given; each waiting one is a request to the process."""

    def __init__(self, process: JsonlProcess[Request, Answer]) -> None:
        self._process = process
        self._model: Load | None = None
        self._sounds: dict[Path, Sound] = {}
        self._pictured: dict[Path, Sound] = {}

    def __iter__(self) -> Iterator[Sound]:
        return iter(self._sounds.values())

    def __len__(self) -> int:
        return len(self._sounds)

    @property
    def waiting(self) -> int:
        return sum(sound.state == "waiting" for sound in self)

    @property
    def stale(self) -> list[Sound]:
        """The sounds that another model than the one in use has classified."""
        return [sound for sound in self if sound.is_stale]

    def use(self, model: Load) -> None:
        """Classify with this model from now on, including waiting sounds; earlier predictions become stale."""
        self._model = model
        self._withdraw(lambda request: False)
        for sound in self:
            sound.is_stale = sound.prediction is not None and sound.model != model.model
            if sound.state == "waiting":
                self._ask(sound)

    def give(self, found: Sequence[Path | Unreadable]) -> Sound | None:
        """Classify these, again if they have been classified already; returns the first of them."""
        first: Sound | None = None
        for item in found:
            path = Path(item.path) if isinstance(item, Unreadable) else item.absolute()
            fresh = path not in self._sounds
            sound = self._sounds.setdefault(path, Sound(path))
            first = first or sound
            if isinstance(item, Unreadable):
                sound.state, sound.unreadable = "unreadable", item
            elif fresh or sound.state != "waiting":
                sound.state, sound.prediction, sound.unreadable, sound.is_stale = "waiting", None, None, False
                self._ask(sound)
        return first

    def classified(self, request: Classify, answer: Classified | Refused) -> None:
        sound = self._sounds.get(path_from_json(request.path))
        if sound is None:
            return  # dropped in the meantime
        if isinstance(answer, Refused):
            sound.state, sound.unreadable = "unreadable", Unreadable(path=str(sound.path), error=answer.error)
            return
        sound.state, sound.prediction = "classified", answer.prediction
        sound.model = request.model.model
        sound.is_stale = self._model is not None and sound.model != self._model.model
        sound.image = Image(answer.bands, answer.image, answer.hz, answer.prediction.duration_s)
        self._pictured[sound.path] = sound
        while len(self._pictured) > PICTURES:
            self._pictured.pop(next(iter(self._pictured))).image = None

    def drop(self, path: Path) -> None:
        self._sounds.pop(path, None)
        self._pictured.pop(path, None)
        self._withdraw(lambda request: path_from_json(request.path) != path)

    def clear(self) -> None:
        """Cancel the waiting sounds; if there are none, remove all sounds."""
        if self.waiting:
            self._withdraw(lambda request: False)
            self._sounds = {path: sound for path, sound in self._sounds.items() if sound.state != "waiting"}
        else:
            self._sounds.clear()
            self._pictured.clear()

    def _ask(self, sound: Sound) -> None:
        if self._model is not None:
            self._process.ask(Classify(path_to_json(sound.path), self._model))

    def _withdraw(self, keep: Callable[[Classify], bool]) -> None:
        self._process.withdraw(lambda request: not isinstance(request, Classify) or keep(request))
