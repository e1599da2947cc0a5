"""Gets a checkpoint of the library `transformers` from the model hub: settings, safetensors and licence, no code."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from core.models.encoders.checkpoint_folder import settings_of
from core.models.encoders.load import REPOSITORY
from core.models.encoders.registry import ENCODERS, encoder_folder
from core.util.errors import UserError
from core.util.text import printable

FILES = ["config.json", "preprocessor_config.json", "*.safetensors", "LICENSE*", "README.md"]


def get_from_hub(name: str) -> Path:
    """Downloads an encoder of the registry, or the repository ``owner/name``; returns the folder it is in.

    Raises:
        UserError: there is no such encoder, it cannot be had, or is of a kind that is not supported.
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
    except Exception as error:  # whatever the network, the hub and the disk lead to; what has come is resumed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{repository} cannot be downloaded ({printable(reason)}): check the network, or download its config.json, "
            "preprocessor_config.json and model.safetensors elsewhere and name that folder with --encoder."
        ) from error
    return folder
