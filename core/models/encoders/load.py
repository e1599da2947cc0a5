"""Finding an encoder by its name, loading it, and downloading it from the model hub.

Settings are read without torch. Only settings, safetensors and licence are downloaded, never code.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from core.features.settings import EncoderSettings
from core.models.encoders.checkpoint_folder import file_digest, settings_of
from core.models.encoders.registry import ENCODERS, WEIGHTS, encoder_folder, is_installed
from core.util.errors import UserError, first_line
from core.util.files import typed_path
from core.util.text import printable

if TYPE_CHECKING:
    import torch

    from core.models.encoders.encoder import Encoder
import shutil
from importlib.util import find_spec

REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""``owner/name`` on the model hub."""
GET = "genre-tui encoders get"


def encoder_settings(name: str) -> EncoderSettings:
    """The settings that a recipe stores for an encoder: one of the registry, a folder, or a repository of the hub.

    Raises:
        UserError: the encoder does not exist, is not installed, or cannot be used.
    """
    folder = _folder(name)
    if not _is_converted(name):
        return settings_of(folder, name if folder == encoder_folder(name) else str(folder))
    info = ENCODERS[name]
    if file_digest(folder / WEIGHTS).hex() != info.sha256:
        raise UserError(f"The encoder in {printable(folder)} is damaged: download it again with {GET} {name}")
    return EncoderSettings(
        name=name,
        sha256=info.sha256,
        sample_rate=info.sample_rate,
        window_samples=info.window_samples,
        dim=info.dim,
    )


def load_encoder(settings: EncoderSettings, device: "torch.device | str" = "cpu") -> "Encoder":
    """Load an encoder to ``device``, ready for inference.

    Raises:
        UserError: it is missing, cannot be loaded, or is not the one that ``settings`` describes.
    """
    name, folder = settings.name, _folder(settings.name)
    if encoder_settings(name) != settings:
        put_right = "restore the original" if Path(name).is_absolute() else f"download it again with {GET} {name}"
        raise UserError(
            f"The encoder in {printable(folder)} is not the expected one (SHA-256 {settings.sha256[:12]}…): "
            f"{put_right}, or train again."
        )
    if _is_converted(name):
        from core.models.encoders.musicnn import Musicnn

        return Musicnn.load(folder / WEIGHTS).to(device)
    from core.models.encoders.transformers_encoder import load_checkpoint

    return load_checkpoint(folder, settings).to(device)


def is_present(name: str) -> bool:
    """Whether the encoder called ``name`` is on this machine."""
    try:
        return bool(_folder(name))
    except UserError:
        return False


def _is_converted(name: str) -> bool:
    """Whether the weights were converted by this package; others are checkpoints of `transformers`."""
    return name in ENCODERS and not ENCODERS[name].repository


def _folder(name: str) -> Path:
    """The folder of an encoder: ``name`` itself if it is a path, or one in the cache."""
    if not name.strip():
        raise UserError(
            "The name of the encoder is empty: use a path or one of the names that genre-tui encoders lists."
        )
    path = typed_path(name)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise UserError(f"{printable(path)} cannot be opened: {error.strerror}.") from error
    if name in ENCODERS or not (is_folder or name.startswith(("/", "~"))):
        return _installed(name)
    if not is_folder:
        fault = "is not a folder" if path.exists() else "does not exist"
        raise UserError(f"The folder of the encoder, {printable(path)}, {fault}: restore it, or name another.")
    return path


def _installed(name: str) -> Path:
    if name not in ENCODERS and not REPOSITORY.fullmatch(name):
        raise UserError(
            f"There is no encoder called {printable(name)!r}; choose one of {', '.join(ENCODERS)}, a folder, or a "
            "repository of the model hub, owner/name."
        )
    if not is_installed(name):
        raise UserError(f"The encoder {name} is not installed: download it with {GET} {name}")
    return encoder_folder(name)


FILES = ["config.json", "preprocessor_config.json", "*.safetensors", "LICENSE*", "README.md"]


def get_from_hub(name: str) -> Path:
    """Download an encoder of the registry or the repository ``owner/name``; returns its folder.

    Raises:
        UserError: the encoder does not exist, cannot be downloaded, or is of an unsupported kind.
    """
    repository = ENCODERS[name].repository if name in ENCODERS else name
    if not REPOSITORY.fullmatch(repository):
        raise UserError(
            f"There is no encoder called {printable(name)!r}; choose one of {', '.join(ENCODERS)}, or a repository of "
            "the model hub, owner/name."
        )
    if find_spec("transformers") is None:
        raise UserError(f"The encoder {name} needs the library transformers: pip install transformers")
    from huggingface_hub import snapshot_download

    folder = encoder_folder(name)
    making = folder.with_name(f".{folder.name}.part")
    try:
        making.mkdir(parents=True, exist_ok=True)
        snapshot_download(repository, local_dir=making, allow_patterns=FILES)
        settings_of(making, name)
        shutil.rmtree(making / ".cache", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    except UserError:
        shutil.rmtree(making, ignore_errors=True)
        raise
    except Exception as error:  # any error of network, hub or disk; the next call resumes the download
        raise UserError(
            f"{repository} cannot be downloaded ({printable(first_line(error))}): check the network, or download its "
            "config.json, preprocessor_config.json and model.safetensors elsewhere and name that folder with --encoder."
        ) from error
    return folder
