"""The machine's sound devices, through PortAudio; and what to do where there is none."""

import importlib
from types import ModuleType
from typing import NamedTuple

from core.util.errors import UserError

ADVICE = "On Debian and Ubuntu: sudo apt install libportaudio2; on Fedora: sudo dnf install portaudio."


def portaudio() -> ModuleType:
    """The module ``sounddevice``.

    Raises:
        UserError: there is no PortAudio on this machine; the sentence says how to get it.
    """
    try:
        return importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        raise UserError(f"PortAudio is not installed, so no sound device can be reached. {ADVICE}") from error


NO_DEVICE = (
    "this machine has no input device, as is usual over SSH; plug one in, or send sound from the machine that has a "
    "microphone by one of the three routes"
)


class DeviceError(UserError):
    """There is no such device, or it cannot be used."""


class Device(NamedTuple):
    number: int
    name: str
    rate: int
    """Its own sample rate, in Hz."""
    channels: int
    is_default: bool


def input_devices() -> list[Device]:
    """All devices that sound can be taken from.

    Raises:
        DeviceError: there is none.
        UserError: there is no PortAudio.
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
    """Has PortAudio look for devices anew: it otherwise knows those there were when it was loaded. Ends all streams."""
    sd = portaudio()
    sd._terminate()
    sd._initialize()


def choose(number: int | None) -> Device:
    """The device of that number, or the default one.

    Raises:
        DeviceError: there is no such device.
    """
    devices = input_devices()
    if number is None:
        return next((device for device in devices if device.is_default), devices[0])
    for device in devices:
        if device.number == number:
            return device
    listed = "; ".join(f"{device.number}: {device.name}" for device in devices)
    raise DeviceError(f"there is no input device {number}; there are {listed}")
