"""``python -m core.inference.workers.live_worker``: the worker process of the Listen screen.

Capturing never waits for the app, and loading torch never blocks it. See `core.util.jsonl_process` for the protocol;
`Opened`, `Failed` and the events of `core.inference.live_events` are sent between answers.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.audio.live.microphone import Device, input_devices, rescan
from core.audio.live.source import Source
from core.inference.live_events import Level, LivePrediction, SourceChanged
from core.util.errors import UserError
from core.util.jsonl_process import WorkerChannel
from core.util.parallel import tune_process, without_collecting


class FindDevices(msgspec.Struct, tag_field="kind", tag="find_devices"):
    """List the input devices."""


class OpenDevice(msgspec.Struct, tag_field="kind", tag="open_device"):
    """Listen to a device, by default the default one, instead of the current source."""

    model: str
    compute: str = "auto"
    name: str | None = None
    number: int | None = None
    """Distinguishes devices with the same name."""


class OpenFeed(msgspec.Struct, tag_field="kind", tag="open_feed"):
    """Listen to the sound from ``genre-tui feed`` instead of the current source."""

    model: str
    path: str
    compute: str = "auto"


class ChangeModel(msgspec.Struct, tag_field="kind", tag="change_model"):
    """Switch to another model without interrupting the sound."""

    model: str
    compute: str = "auto"


class Pause(msgspec.Struct, tag_field="kind", tag="pause"):
    paused: bool


class Save(msgspec.Struct, tag_field="kind", tag="save"):
    """Save the last minute as WAV."""

    path: str


class Close(msgspec.Struct, tag_field="kind", tag="close"):
    """Stop listening."""


Request = FindDevices | OpenDevice | OpenFeed | ChangeModel | Pause | Save | Close


class DevicesFound(msgspec.Struct, tag_field="kind", tag="devices_found"):
    """The input devices; ``error`` says why there are none."""

    devices: list[Device]
    error: str = ""


class Opened(msgspec.Struct, tag_field="kind", tag="opened"):
    """The model is loaded; predictions follow."""

    model: str
    genres: list[str]
    window_seconds: float
    compute: str


class Saved(msgspec.Struct, tag_field="kind", tag="saved"):
    path: str
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag_field="kind", tag="failed"):
    """Listening failed, or could not start."""

    error: str


Answer = DevicesFound | Opened | Saved | Failed | LivePrediction | Level | SourceChanged


class LiveWorker:
    """Reads one source at a time in a thread, and answers requests."""

    def __init__(self, send: Callable[[Answer], object]) -> None:
        self._send = send
        self._classifier: Any = None
        self._model = ("", "")
        self._listening: Any = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._loading = threading.Lock()

    def answer(self, request: Request) -> Answer | None:
        match request:
            case FindDevices():
                return self._find_devices()
            case OpenDevice() | OpenFeed():
                self._open(request)
            case ChangeModel():
                return self._change_model(request)
            case Pause():
                if self._listening is not None:
                    self._listening.pause(request.paused)
            case Save():
                if self._listening is None:
                    raise UserError("there is nothing to save: listening has not started")
                return Saved(request.path, self._listening.save(Path(request.path)))
            case Close():
                self.close()
        return None

    def _find_devices(self) -> DevicesFound:
        try:
            if self._thread is None:
                rescan()  # for newly connected microphones; it would end open streams
            return DevicesFound(input_devices())
        except UserError as error:
            return DevicesFound([], str(error))

    def _open(self, request: OpenDevice | OpenFeed) -> None:
        self.close()
        source = _source(request)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(request, source, self._closing), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._listening is not None:
            self._listening.stop()
        if self._thread is not None:
            self._thread.join()
        self._thread = self._listening = None

    def _listen(self, request: OpenDevice | OpenFeed, source: Source, closing: threading.Event) -> None:
        try:
            # The source captures sound while the model loads.
            with self._loading:
                classifier = self._load(request.model, request.compute)
                from core.inference.live_classifier import LiveClassifier, overlap_for

                self._listening = LiveClassifier(
                    source, classifier, overlap=overlap_for(classifier.window_seconds), keep_up=True
                )
                self._send(_opened(classifier))
            if not closing.is_set():
                for event in self._listening.events():
                    self._send(event)
        except UserError as error:
            self._send(Failed(str(error)))
        except Exception as error:
            traceback.print_exc()
            self._send(Failed(f"{type(error).__name__}: {error}"))
        finally:
            source.close()

    def _change_model(self, request: ChangeModel) -> Opened | None:
        with self._loading:
            if self._thread is None:
                return None
            from core.inference.live_classifier import overlap_for

            classifier = self._load(request.model, request.compute)
            if self._listening is not None:
                self._listening.change_model(classifier, overlap=overlap_for(classifier.window_seconds))
            return _opened(classifier)

    def _load(self, model: str, compute: str) -> Any:
        if self._model != (model, compute):
            with without_collecting():
                from core.inference.classifier import Classifier

            self._classifier = Classifier.load(Path(model), compute)
            self._model = (model, compute)
        return self._classifier


def _opened(classifier: Any) -> Opened:
    return Opened(classifier.model, classifier.genres, classifier.window_seconds, classifier.device)


def _source(request: OpenDevice | OpenFeed) -> Source:
    if isinstance(request, OpenFeed):
        from core.audio.live.socket_source import SocketSource

        return SocketSource(Path(request.path))
    from core.audio.live.microphone import MicrophoneSource

    return MicrophoneSource(request.name, request.number)


def main() -> int:
    tune_process()
    channel = WorkerChannel()
    worker = LiveWorker(channel.send)
    channel.serve(Request, worker.answer)
    worker.close()
    # Threads of sound libraries could delay the exit.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
