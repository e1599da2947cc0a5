"""A microphone, or whatever else the machine offers as an input."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from core.audio.live.devices import Device, DeviceError, choose, portaudio, rescan
from core.audio.live.ring_buffer import RingBuffer
from core.audio.live.source import KEPT_SECONDS, Chunk, Condition, State

BLOCK_SECONDS = 0.02
STALL_SECONDS = 2.0
RETRY_SECONDS = 2.0


class DeviceSource:
    """Captures in PortAudio's own thread. A device that goes away is tried again until it is back."""

    def __init__(self, number: int | None = None) -> None:
        """
        Raises:
            DeviceError: there is no such device, or it cannot be opened.
            UserError: there is no PortAudio.
        """
        self._number = number
        self._overflows = self._earlier_overruns = 0
        self._trouble: str | None = None
        self._tried = 0.0
        self._open()

    def _open(self) -> None:
        sd = portaudio()
        self.device: Device = choose(self._number)
        self.rate = self.device.rate
        self._ring = RingBuffer(KEPT_SECONDS * self.rate)
        self._opened = time.monotonic()
        self._begins = True
        try:
            self._stream: Any = sd.InputStream(
                device=self.device.number,
                channels=min(2, self.device.channels),
                samplerate=self.rate,
                blocksize=round(BLOCK_SECONDS * self.rate),
                dtype="float32",
                callback=self._captured,
            )
            self._stream.start()
        except sd.PortAudioError as error:
            raise DeviceError(f"{self.device.name} cannot be opened: {error}") from error

    def _captured(self, samples_NC: npt.NDArray[np.float32], frames: int, when: Any, status: Any) -> None:
        self._overflows += bool(status.input_overflow)
        self._ring.write(samples_NC.mean(axis=1, dtype=np.float32))

    @property
    def condition(self) -> Condition:
        if self._trouble is not None:
            return Condition(State.TROUBLE, self._trouble)
        silent = time.monotonic() - max(self._ring.arrived, self._opened)
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"{self.device.name} has sent nothing for {silent:.0f} s")
        return Condition(State.HEARING, f"{self.device.name}, {self.rate:,} Hz")

    @property
    def overruns(self) -> int:
        return self._earlier_overruns + self._overflows + self._ring.overruns

    def read(self, timeout: float) -> Chunk | None:
        if self._trouble is not None or not self._stream.active:
            self._try_again(timeout)
            return None
        samples = self._ring.read(timeout)
        if not len(samples):
            return None
        begins, self._begins = self._begins, False
        return Chunk(samples, self.rate, self._ring.arrived, begins)

    def _try_again(self, timeout: float) -> None:
        self._trouble = self._trouble or f"{self.device.name} has gone; trying again"
        wait = self._tried + RETRY_SECONDS - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout))
            return
        self._tried = time.monotonic()
        self._stream.close(ignore_errors=True)
        self._earlier_overruns += self._ring.overruns
        try:
            rescan()
            self._open()
            self._trouble = None
        except DeviceError:
            return  # not yet

    def close(self) -> None:
        self._stream.close(ignore_errors=True)
