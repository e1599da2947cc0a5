"""``python -m core.inference.workers.file_worker``: the worker process of the Classify screen.

Importing torch, decoding, or a crash of a decoder do not block the app. See `core.util.jsonl_process` for the protocol.
"""

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from core.audio.files.open_file import AudioError
from core.inference.types import Prediction
from core.util.errors import UserError
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.parallel import tune_process, without_collecting

NEAREST = 5
"""Number of training clips that explain a prediction."""


class Load(msgspec.Struct, frozen=True, tag_field="kind", tag="load"):
    """Load a model, unless it is loaded already."""

    model: str
    device: str = "auto"


class Classify(msgspec.Struct, frozen=True, tag_field="kind", tag="classify"):
    """Classify a file with a model, loading the model first if necessary."""

    path: str
    model: Load


class Play(msgspec.Struct, frozen=True, tag_field="kind", tag="play"):
    """Play a file on this machine's loudspeaker; an empty path stops. Positions and the end are events."""

    path: str
    start_s: float = 0.0


class Seek(msgspec.Struct, frozen=True, tag_field="kind", tag="seek"):
    """Continue playing ``by`` seconds from here."""

    by: float


Request = Load | Classify | Play | Seek


class Loaded(msgspec.Struct, frozen=True, tag_field="kind", tag="loaded"):
    model: str
    genres: list[str]
    window_seconds: float
    device: str
    learnt: list[str] = []
    """``genre/name`` of the clips that it was trained on or selected by."""


class Classified(msgspec.Struct, frozen=True, tag_field="kind", tag="classified"):
    """``image`` is the spectrogram as [bands, columns] bytes, low bands first; ``hz`` are the bands' frequencies."""

    prediction: Prediction
    bands: int
    image: bytes
    hz: list[float] = []


class Playing(msgspec.Struct, frozen=True, tag_field="kind", tag="playing"):
    """Sent about twice a second with the position that is heard; without a path once at the end."""

    path: str
    position_s: float = 0.0


Answer = Loaded | Classified | Playing


class FileWorker:
    """Loads models, and libraries that only some requests need, on first use."""

    def __init__(self, send: Callable[[object], object] = lambda event: None) -> None:
        """
        Args:
            send: gets events.
        """
        self._send = send
        self._classifier: Any = None
        self._loaded: Load | None = None
        self._player: Any = None
        self._playing = ""

    def answer(self, request: Request) -> Answer:
        match request:
            case Load():
                return self._load(request)
            case Classify():
                return self._classify(request)
            case Play(path, start_s):
                return self._play(path, start_s)
            case Seek(by):
                start = self._player.position_s + by if self._player is not None else 0.0
                return self._play(self._playing, max(0.0, start))

    def _load(self, request: Load) -> Loaded:
        from core.inference.classifier import Classifier

        if request != self._loaded:
            self._loaded = None
            self._classifier = Classifier.load(path_from_json(request.model), request.device)
            self._loaded = request
        found = self._classifier
        return Loaded(found.model, found.genres, found.window_seconds, found.device, sorted(found.learnt))

    def _classify(self, request: Classify) -> Classified:
        from core.audio.files.open_file import open_file
        from core.features.display_spectrogram import Picture

        self._load(request.model)
        path = path_from_json(request.path)
        picture: Picture | None = None

        def draw(block: Any, rate: int) -> None:
            nonlocal picture
            picture = picture or Picture(rate)
            picture.push(block)

        try:
            with open_file(path) as file:
                prediction = self._classifier.classify_open(path, file, nearest=NEAREST, on_block=draw)
        except AudioError as error:
            raise UserError(error.reason) from error
        assert picture is not None
        image = picture.image()
        return Classified(prediction, len(image), bytes(image), picture.hz)

    def _play(self, path: str, start_s: float) -> Playing:
        from core.audio.playback import Player

        self._player = self._player or Player(self._at)
        self._player.stop()
        self._playing = ""
        if not path:
            return Playing("")
        self._player.play(path_from_json(path), start_s)
        self._playing = path
        return Playing(path, self._player.position_s)

    def _at(self, position_s: float | None) -> None:
        self._send(Playing("") if position_s is None else Playing(self._playing, position_s))


def main() -> int:
    tune_process()
    channel = WorkerChannel()
    with without_collecting():
        import core.inference.classifier  # noqa: F401 - while nobody waits for it yet
    channel.serve(Request, FileWorker(channel.send).answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
