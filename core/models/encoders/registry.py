"""The pretrained encoders: each declared once, by name. Imports no torch.

An encoder's weights live in the cache folder, in ``encoders/<name>``, beside the licence that they come under.
"""

from pathlib import Path
from typing import NamedTuple

from core.util.dirs import cache_folder
from core.util.errors import UserError

WEIGHTS = "model.safetensors"
LICENCE = "LICENCE.txt"


class EncoderInfo(NamedTuple):
    """What is known of an encoder without loading it."""

    summary: str
    licence: str
    megabytes: float
    """Of its weights."""
    sample_rate: int
    """Hz; sound at any other rate is resampled."""
    window_samples: int
    """Samples of the window that it turns into one embedding."""
    dim: int
    """Numbers of an embedding."""
    source: str
    """Where its weights come from."""
    sha256: str
    """Of its weights in the cache folder."""

    @property
    def window_seconds(self) -> float:
        return self.window_samples / self.sample_rate


ENCODERS = {
    "musicnn": EncoderInfo(
        summary="musically motivated convolutions, trained on the tags of the Million Song Dataset (Pons & Serra 2019)",
        licence="ISC",
        megabytes=3.2,
        sample_rate=16_000,
        window_samples=48_128,
        dim=200,
        source="the Python package musicnn 0.1.0",
        sha256="f870c23563695ecf2a8399c4bd49c0a2c020920a0d52bb2592f295aabc47c771",
    ),
}
"""Name → declaration, in the order in which they are listed."""


def encoder_folder(name: str) -> Path:
    """Where ``encoders get`` puts an encoder."""
    return cache_folder() / "encoders" / name


def is_installed(name: str) -> bool:
    return (encoder_folder(name) / WEIGHTS).is_file()


def encoder_info(name: str) -> EncoderInfo:
    """
    Raises:
        UserError: there is no such encoder.
    """
    if name not in ENCODERS:
        raise UserError(f"There is no encoder called {name!r}; choose one of {', '.join(ENCODERS)}.")
    return ENCODERS[name]
