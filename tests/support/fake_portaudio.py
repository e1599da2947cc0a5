"""A PortAudio whose devices can be plugged in and out, in the place of the module ``sounddevice``."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt


class FakePortAudio:
    """Devices are known as they were at the last ``_initialize``, as with the real one."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *names: str, default: int = 0) -> None:
        self.plugged = list(names)
        self.default = SimpleNamespace(device=[default, -1])
        self.streams: list[FakeStream] = []
        self.errors: list[Exception] = []
        """Raised by the next calls of ``_initialize``."""
        self._known = list(names)
        self._is_running = True

    def query_devices(self) -> list[dict[str, Any]]:
        if not self._is_running:
            raise self.PortAudioError("not initialised")
        return [{"name": name, "default_samplerate": 48_000.0, "max_input_channels": 2} for name in self._known]

    def InputStream(self, *, device: int, callback: Callable[..., object], **_: object) -> "FakeStream":
        if self._known[device] not in self.plugged:
            raise self.PortAudioError("device unavailable")
        self.streams.append(FakeStream(self, self._known[device], callback))
        return self.streams[-1]

    def _terminate(self) -> None:
        if not self._is_running:
            raise self.PortAudioError("not initialised")
        self._is_running = False

    def _initialize(self) -> None:
        if self.errors:
            raise self.errors.pop()
        self._is_running, self._known = True, list(self.plugged)

    def unplug(self, name: str) -> None:
        self.plugged.remove(name)
        for stream in self.streams:
            if stream.name == name:
                stream.active = False


class FakeStream:
    def __init__(self, portaudio: FakePortAudio, name: str, callback: Callable[..., object]) -> None:
        self.portaudio, self.name, self.active = portaudio, name, False
        self._callback = callback

    def start(self) -> None:
        self.active = True

    def close(self, *, ignore_errors: bool) -> None:
        self.active = False

    def play(self, samples_NC: npt.NDArray[np.float32]) -> None:
        self._callback(samples_NC, len(samples_NC), None, SimpleNamespace(input_overflow=False))
