"""The pretrained encoders: each declared once, by name. Imports no torch.

An encoder's weights and their licence are in the cache folder, in ``encoders/<name>``.
"""

from pathlib import Path
from typing import NamedTuple

from core.util.paths import cache_folder

WEIGHTS = "model.safetensors"
LICENCE = "LICENCE.txt"


class EncoderInfo(NamedTuple):
    """Facts about an encoder that are known without loading it."""

    summary: str
    licence: str
    megabytes: float
    """Size of its weights."""
    sample_rate: int
    """Hz; sound at any other rate is resampled."""
    window_samples: int
    """Samples of a window, which becomes one embedding."""
    dim: int
    """Size of an embedding."""
    source: str
    """Where its weights come from."""
    sha256: str = ""
    """Digest of its weights in the cache folder, if they are converted here; empty for other encoders."""
    repository: str = ""
    """``owner/name`` on the model hub, for a checkpoint of the library `transformers`."""

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
    "ast": EncoderInfo(
        summary="Audio Spectrogram Transformer, trained on AudioSet (Gong et al. 2021)",
        licence="BSD-3-Clause",
        megabytes=346,
        sample_rate=16_000,
        window_samples=164_080,
        dim=768,
        source="the model hub",
        repository="MIT/ast-finetuned-audioset-10-10-0.4593",
    ),
    "maest": EncoderInfo(
        summary="spectrogram transformer, trained on the styles of Discogs (Alonso-Jiménez et al. 2023)",
        licence="CC BY-NC-SA 4.0",
        megabytes=347,
        sample_rate=16_000,
        window_samples=480_000,
        dim=768,
        source="the model hub",
        repository="mtg-upf/discogs-maest-30s-pw-73e-ts",
    ),
}
"""Name → declaration, in the order in which they are listed."""


def encoder_folder(name: str) -> Path:
    """The folder into which ``encoders get`` downloads an encoder."""
    return cache_folder() / "encoders" / name


def is_installed(name: str) -> bool:
    return any(encoder_folder(name).glob("*.safetensors"))


def encoder_names() -> list[str]:
    """All names that can be used: those declared here, and installed repositories of the hub."""
    folders = (weights.parent for weights in encoder_folder("").glob("*/*/*.safetensors"))
    return [*ENCODERS, *sorted({f"{folder.parent.name}/{folder.name}" for folder in folders})]
