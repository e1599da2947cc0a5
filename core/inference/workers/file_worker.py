"""``python -m core.inference.workers.file_worker``: a classifier in a process of its own, asked by lines of JSON.

The app starts it, so that no import of torch, no long decoding and no decoder's crash ever holds up its keys. A
request is one line on standard input, an answer one line on standard output; every request gets one answer, in order,
and the process ends with its input. Paths travel as latin-1 views of their bytes, for a name need not be UTF-8.
"""

import base64
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from core.audio.errors import AudioError
from core.inference.types import Prediction, Unreadable
from core.util.errors import UserError
from core.util.process import tune_process
from core.util.text import printable


class Load(msgspec.Struct, tag="load"):
    """Take another model."""

    model: str
    device: str = "auto"


class Classify(msgspec.Struct, tag="classify"):
    """Judge a file with the model that was loaded last."""

    path: str
    overlap: float = 0.0


class Play(msgspec.Struct, tag="play"):
    """Play a file on this machine's loudspeaker; an empty path stops."""

    path: str


Request = Load | Classify | Play


class Loaded(msgspec.Struct, tag="loaded"):
    model: str
    genres: list[str]
    window_seconds: float
    device: str


class Judged(msgspec.Struct, tag="judged"):
    """``image`` is [bands, columns] bytes, low bands first, as base64; empty for a file that could not be read."""

    path: str
    result: Prediction | None = None
    unreadable: Unreadable | None = None
    bands: int = 0
    image: str = ""


class Playing(msgspec.Struct, tag="playing"):
    path: str


class Refused(msgspec.Struct, tag="refused"):
    """The request could not be done; ``path`` is that of the request, if it had one."""

    request: str
    error: str
    path: str = ""


Answer = Loaded | Judged | Playing | Refused


def refused(request: Request, error: str) -> Refused:
    return Refused(type(request).__name__.lower(), error, "" if isinstance(request, Load) else request.path)


def as_text(path: str | os.PathLike[str]) -> str:
    """A path as it travels."""
    return os.fsencode(path).decode("latin-1")


def as_path(text: str) -> Path:
    return Path(os.fsdecode(text.encode("latin-1")))


class Worker:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self._classifier: Any = None
        self._player: Any = None

    def answer(self, request: Request) -> Answer:
        try:
            match request:
                case Load():
                    return self._load(request)
                case Classify():
                    return self._classify(request)
                case Play():
                    return self._play(request)
        except UserError as error:
            return refused(request, str(error))

    def _load(self, request: Load) -> Loaded:
        from core.inference.classifier import Classifier

        self._classifier = Classifier.load(as_path(request.model), request.device)
        found = self._classifier
        return Loaded(found.model, found.genres, found.window_seconds, found.device)

    def _classify(self, request: Classify) -> Judged:
        from core.audio.files.decode import AudioReader
        from core.audio.files.open_file import open_file
        from core.features.display_spectrogram import Picture
        from core.inference.classifier import BLOCK_SECONDS

        if self._classifier is None:
            raise UserError("no model is loaded")
        path = as_path(request.path)
        picture: Picture | None = None

        def seen() -> Iterator[Any]:
            """The blocks that are judged, drawn as they pass."""
            nonlocal picture
            for block, rate in reader.blocks(BLOCK_SECONDS):
                picture = picture or Picture(rate)
                picture.push(block)
                yield block, rate

        try:
            with open_file(path) as file:
                reader = AudioReader(path, file)
                prediction = self._classifier.classify_blocks(seen(), overlap=request.overlap)
                warning = reader.warning
        except AudioError as error:
            return Judged(request.path, unreadable=Unreadable(path=printable(path), error=error.reason))
        except UserError as error:
            return Judged(request.path, unreadable=Unreadable(path=printable(path), error=str(error)))
        image = b"" if picture is None else picture.image()
        return Judged(
            request.path,
            result=msgspec.structs.replace(prediction, path=printable(path), warning=warning),
            bands=len(image),
            image=base64.b64encode(bytes(image)).decode(),
        )

    def _play(self, request: Play) -> Playing:
        from core.audio.playback import Player

        self._player = self._player or Player()
        if request.path:
            self._player.play(as_path(request.path))
        else:
            self._player.stop()
        return Playing(request.path)


def main() -> int:
    tune_process()
    # Native libraries print where they like; the answers keep standard output for themselves.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests = msgspec.json.Decoder(Request)
    worker = Worker()
    for line in sys.stdin.buffer:
        request = requests.decode(line)
        try:
            answer = worker.answer(request)
        except Exception as error:
            # A defect of the program must cost this request only; its traceback goes to the viewer's log.
            traceback.print_exc()
            answer = refused(request, f"{type(error).__name__}: {error}")
        answers.write(msgspec.json.encode(answer) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
