"""PortAudio, imported where it is used: on Linux it is the system's own library, and may be missing."""

import importlib
from types import ModuleType

from core.errors import UserError

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
