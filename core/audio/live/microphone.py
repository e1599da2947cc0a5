"""Input devices through PortAudio, and a source that captures from one of them."""

import contextlib
import importlib
import time
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.audio.conversion import LiveDownmix
from core.audio.live.source import KEPT_SECONDS, Chunk, Condition, RingBuffer, State
from core.util.errors import UserError

ADVICE = "On Debian and Ubuntu: sudo apt install libportaudio2; on Fedora: sudo dnf install portaudio."
NO_DEVICE = (
    "this machine has no input device, as is usual over SSH; plug one in, or send sound from the machine that has a "
    "microphone in one of the three ways"
)
BLOCK_SECONDS = 0.02
STALL_SECONDS = 2.0
RETRY_SECONDS = 2.0


class DeviceError(UserError):
    """The device does not exist or cannot be used."""


class Device(NamedTuple):
    number: int
    name: str
    rate: int
    """Its default sample rate, in Hz."""
    channels: int
    is_default: bool


def portaudio() -> ModuleType:
    """The module ``sounddevice``.

    Raises:
        UserError: PortAudio is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        raise UserError(f"PortAudio is not installed, so no sound device can be used. {ADVICE}") from error


def input_devices() -> list[Device]:
    """All devices that record sound.

    Raises:
        DeviceError: there is none.
        UserError: PortAudio is not installed.
    """
    sd = portaudio()
    try:
        found = list(sd.query_devices())
        default = sd.default.device[0]
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound system does not answer: {error}") from error
    devices = [
        Device(number, one["name"], round(one["default_samplerate"]), one["max_input_channels"], number == default)
        for number, one in enumerate(found)
        if one["max_input_channels"] > 0
    ]
    if not devices:
        raise DeviceError(NO_DEVICE)
    return devices


def rescan() -> None:
    """Make PortAudio search for devices again, which it otherwise does only when it starts. Ends all streams.

    Raises:
        DeviceError: the sound system does not answer; a later call may succeed.
    """
    sd = portaudio()
    with contextlib.suppress(sd.PortAudioError):  # it is not running after a failed rescan
        sd._terminate()
    try:
        sd._initialize()
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound system does not answer: {error}") from error


def choose_device(wanted: int | str | None, number: int | None = None) -> Device:
    """Find an input device by its number, its name or a unique part of it; None is the default device.

    Args:
        number: which one to use of several devices with the same name.

    Raises:
        DeviceError: no device matches, or several do.
    """
    devices = input_devices()
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    if isinstance(wanted, int):
        matches = [device for device in devices if device.number == wanted]
    else:
        same = sorted(
            (device for device in devices if device.name == wanted), key=lambda device: device.number != number
        )
        matches = same[:1] or [device for device in devices if wanted.casefold() in device.name.casefold()]
    if len(matches) == 1:
        return matches[0]
    listed = "; ".join(f"{device.number}: {device.name}" for device in matches or devices)
    raise DeviceError(f"there {'are several input devices' if matches else 'is no input device'} {wanted}: {listed}")


class MicrophoneSource:
    """Captures from an input device in PortAudio's own thread.

    The device is remembered by its name, because numbers change when another one is plugged in. A device that is
    unplugged is waited for and never replaced by another.
    """

    def __init__(self, wanted: int | str | None = None, number: int | None = None) -> None:
        """Args:
        wanted, number: as for `choose_device`.

        Raises:
            DeviceError: the device does not exist, or it cannot be opened.
            UserError: PortAudio is not installed.
        """
        self._overflows = self._earlier_overruns = 0
        self._trouble: str | None = None
        self._tried = 0.0
        self._stream: Any = None
        self._open(choose_device(wanted, number))

    def _open(self, device: Device) -> None:
        sd = portaudio()
        self.device = device
        self.rate = device.rate
        self._ring = RingBuffer(KEPT_SECONDS * self.rate)
        self._downmix = LiveDownmix(self.rate)
        self._opened = time.monotonic()
        self._begins = True
        try:
            self._stream = sd.InputStream(
                device=device.number,
                channels=min(2, device.channels),
                samplerate=self.rate,
                blocksize=round(BLOCK_SECONDS * self.rate),
                dtype="float32",
                callback=self._captured,
            )
            self._stream.start()
        except (sd.PortAudioError, ValueError, OSError) as error:
            self._close_stream()
            raise DeviceError(f"{device.name} cannot be opened: {error}") from error

    def _captured(self, samples_NC: npt.NDArray[np.float32], frames: int, when: Any, status: Any) -> None:
        self._overflows += bool(status.input_overflow)
        self._ring.write(self._downmix(samples_NC.T))

    @property
    def condition(self) -> Condition:
        if self._trouble is not None:
            return Condition(State.TROUBLE, self._trouble)
        silent = time.monotonic() - max(self._ring.arrived, self._opened)
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"{self.device.name} has sent nothing for {silent:.0f} s")
        note = f"; {self._downmix.note}" if self._downmix.note else ""
        return Condition(State.RECEIVING, f"{self.device.name}, {self.rate:,} Hz{note}")

    @property
    def overruns(self) -> int:
        return self._earlier_overruns + self._overflows + self._ring.overruns

    def read(self, timeout: float) -> Chunk | None:
        if not self._is_running():
            self._reopen(timeout)
            return None
        samples = self._ring.read(timeout)
        if not len(samples):
            return None
        begins, self._begins = self._begins, False
        return Chunk(samples, self.rate, self._ring.arrived, begins)

    def _is_running(self) -> bool:
        try:
            return self._stream is not None and bool(self._stream.active)
        except portaudio().PortAudioError:
            return False

    def _reopen(self, timeout: float) -> None:
        self._trouble = self._trouble or f"{self.device.name} is not connected; waiting for it"
        wait = self._tried + RETRY_SECONDS - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout))
            return
        self._tried = time.monotonic()
        self._close_stream()
        self._earlier_overruns += self._ring.overruns
        self._ring.overruns = 0
        name = self.device.name
        try:
            rescan()
            if any(device.name == name for device in input_devices()):
                self._open(choose_device(name, self.device.number))
                self._trouble = None
        except DeviceError as error:
            self._trouble = f"{name} is not connected; waiting for it ({error})"

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close(ignore_errors=True)
            self._stream = None

    def close(self) -> None:
        self._close_stream()
