"""``python -m core.inference.workers.live_worker``: live sound and a classifier in a process of their own.

The app starts it, so that sound is captured whatever the app is busy with, and torch is loaded where no key waits for
it. A request is one line of JSON on standard input; what is heard, and answers, are lines on standard output. It ends
with its input.
"""

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import msgspec

from core.audio.live.devices import Device, input_devices, rescan
from core.audio.live.source import Source
from core.inference.live.events import Heard, Level, SourceChanged
from core.util.errors import UserError
from core.util.process import tune_process


class FindDevices(msgspec.Struct, tag_field="kind", tag="find_devices"):
    """Which input devices there are."""


class OpenDevice(msgspec.Struct, tag_field="kind", tag="open_device"):
    """Listen to a device, the default one without a number, and to nothing else any more."""

    model: str
    compute: str = "auto"
    number: int | None = None


class OpenFeed(msgspec.Struct, tag_field="kind", tag="open_feed"):
    """Listen to what ``genre-tui feed`` sends, and to nothing else any more."""

    model: str
    path: str
    compute: str = "auto"


class Pause(msgspec.Struct, tag_field="kind", tag="pause"):
    paused: bool


class Save(msgspec.Struct, tag_field="kind", tag="save"):
    """The last minute as WAV."""

    path: str


class Close(msgspec.Struct, tag_field="kind", tag="close"):
    """Listen to nothing."""


Request = FindDevices | OpenDevice | OpenFeed | Pause | Save | Close


class DevicesFound(msgspec.Struct, tag_field="kind", tag="devices_found"):
    """``error`` says why there are none."""

    devices: list[Device]
    error: str = ""


class Opened(msgspec.Struct, tag_field="kind", tag="opened"):
    """The model is loaded; verdicts come from now on."""

    model: str
    genres: list[str]
    window_seconds: float
    compute: str


class Saved(msgspec.Struct, tag_field="kind", tag="saved"):
    path: str
    seconds: float


class Refused(msgspec.Struct, tag_field="kind", tag="refused"):
    """A request could not be done. ``request`` is its kind."""

    request: str
    error: str


Answer = DevicesFound | Opened | Saved | Refused | Heard | Level | SourceChanged


class ListenWorker:
    """One source at a time, heard in a thread; requests are answered meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._out, self._turn = descriptor, threading.Lock()
        self._classifier: Any = None
        self._model = ("", "")
        self._listening: Any = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def say(self, answer: Answer) -> None:
        line = memoryview(msgspec.json.encode(answer) + b"\n")
        with self._turn:
            while line:
                line = line[os.write(self._out, line) :]

    def do(self, request: Request) -> None:
        kind = request.__struct_config__.tag
        try:
            match request:
                case FindDevices():
                    self.say(self._find_devices())
                case OpenDevice() | OpenFeed():
                    self._open(request)
                case Pause():
                    if self._listening is not None:
                        self._listening.pause(request.paused)
                case Save():
                    if self._listening is None:
                        raise UserError("nothing is listened to")
                    self.say(Saved(request.path, self._listening.save(Path(request.path))))
                case Close():
                    self._close()
        except UserError as error:
            self.say(Refused(str(kind), str(error)))

    def _find_devices(self) -> DevicesFound:
        try:
            if self._thread is None:
                rescan()  # a microphone may have been plugged in; streams that are open would end
            return DevicesFound(input_devices())
        except UserError as error:
            return DevicesFound([], str(error))

    def _open(self, request: OpenDevice | OpenFeed) -> None:
        self._close()
        source = _source(request)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(request, source, self._closing), daemon=True)
        self._thread.start()

    def _close(self) -> None:
        self._closing.set()
        if self._listening is not None:
            self._listening.stop()
        if self._thread is not None:
            self._thread.join()
        self._thread = self._listening = None

    def _listen(self, request: OpenDevice | OpenFeed, source: Source, closing: threading.Event) -> None:
        kind = str(request.__struct_config__.tag)
        try:
            # The source captures from now on, and the model is loaded meanwhile.
            self._load(request.model, request.compute)
            from core.inference.live.live_classifier import Listening, overlap_for

            classifier = self._classifier
            self._listening = Listening(
                source, classifier, overlap=overlap_for(classifier.window_seconds), keep_up=True
            )
            self.say(Opened(classifier.model, classifier.genres, classifier.window_seconds, classifier.device))
            if not closing.is_set():
                for event in self._listening.events():
                    self.say(event)
        except UserError as error:
            self.say(Refused(kind, str(error)))
        except BrokenPipeError:
            os._exit(0)  # the app has gone
        except Exception as error:
            traceback.print_exc()
            self.say(Refused(kind, f"{type(error).__name__}: {error}"))
        finally:
            source.close()

    def _load(self, model: str, compute: str) -> None:
        if self._model == (model, compute):
            return
        from core.inference.classifier import Classifier

        self._classifier = Classifier.load(Path(model), compute)
        self._model = (model, compute)


def _source(request: OpenDevice | OpenFeed) -> Source:
    if isinstance(request, OpenFeed):
        from core.audio.live.socket_server import SocketSource

        return SocketSource(Path(request.path))
    from core.audio.live.device_source import DeviceSource

    return DeviceSource(request.number)


def main() -> int:
    tune_process()
    # Native libraries print where they like; the answers keep standard output for themselves.
    worker = ListenWorker(os.dup(1))
    os.dup2(2, 1)
    requests = msgspec.json.Decoder(Request)
    for line in sys.stdin.buffer:
        worker.do(requests.decode(line))
    worker.do(Close())
    # Threads of sound libraries must not hold up the end.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
