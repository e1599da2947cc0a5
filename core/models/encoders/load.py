"""From the name of an encoder to its settings, without torch, and to the encoder itself."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from core.features.settings import EncoderSettings
from core.models.encoders.registry import ENCODERS, WEIGHTS, encoder_folder
from core.util.errors import UserError

if TYPE_CHECKING:
    import torch

    from core.models.encoders.encoder import Encoder


def encoder_settings(name: str) -> EncoderSettings:
    """What a recipe says of the encoder called ``name``.

    Raises:
        UserError: there is no such encoder, or it is not installed.
    """
    if name not in ENCODERS:
        raise UserError(f"There is no encoder called {name!r}; choose one of {', '.join(ENCODERS)}.")
    info = ENCODERS[name]
    _check_installed(name, info.sha256)
    return EncoderSettings(
        name=name,
        sha256=info.sha256,
        sample_rate=info.sample_rate,
        window_samples=info.window_samples,
        dim=info.dim,
    )


def load_encoder(settings: EncoderSettings, device: "torch.device | str" = "cpu") -> "Encoder":
    """The encoder on ``device``, ready for inference.

    Raises:
        UserError: it is not here, or its weights are others than those that ``settings`` names.
    """
    _check_installed(settings.name, settings.sha256)
    from core.models.encoders.musicnn import Musicnn

    return Musicnn.load(encoder_folder(settings.name) / WEIGHTS).to(device)


def _check_installed(name: str, sha256: str) -> None:
    path, command = encoder_folder(name) / WEIGHTS, f"genre-tui encoders get {name}"
    try:
        digest = _digest(path)
    except FileNotFoundError:
        raise UserError(f"The encoder {name} is not installed: get it with {command}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): get the encoder again with {command}") from error
    if digest != sha256:
        raise UserError(
            f"The encoder {name} in {path.parent} is damaged, or is not the one that is needed (SHA-256 "
            f"{sha256[:12]}…): get it again with {command}"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
