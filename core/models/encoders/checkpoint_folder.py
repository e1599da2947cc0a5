"""Reading the settings of a checkpoint of the library `transformers`, without torch.

Weights are read from safetensors only, and only networks that are part of the library are supported: code in a folder
is never executed.
"""

import hashlib
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from core.features.settings import EncoderSettings
from core.util.errors import UserError
from core.util.files import read_small
from core.util.text import printable

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
AST, CLAP, SPEECH = "audio-spectrogram-transformer", ("clap", "clap_audio_model"), ("wav2vec2", "hubert", "wavlm")
KINDS = (AST, "maest", *CLAP, *SPEECH)
"""The values of ``model_type`` that are supported."""
SPEECH_SECONDS = 5
"""Length of a window for networks that accept any length."""
KALDI_WINDOW, KALDI_HOP = 0.025, 0.010
"""Frame length and hop of the Audio Spectrogram Transformer in seconds."""
MAEST_HOP = 256


def read_json(path: Path) -> dict[str, Any]:
    """Read a settings file of a checkpoint.

    Raises:
        UserError: it is missing, or not a JSON object.
    """
    try:
        return msgspec.json.decode(read_small(path), type=dict[str, Any])
    except OSError as error:
        raise UserError(f"{printable(path)} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{printable(path)} is damaged: {error}.") from error


def settings_of(folder: Path, name: str) -> EncoderSettings:
    """The settings of the encoder in ``folder``, which recipes call ``name``.

    Raises:
        UserError: it is not a checkpoint, is of an unsupported kind, or has no safetensors.
    """
    config, sound = read_json(folder / CONFIG), read_json(folder / PREPROCESSOR)
    kind = config.get("model_type")
    if kind not in KINDS:
        raise UserError(
            f"{printable(folder)} holds a network of the kind {printable(str(kind))}, which is not supported: take one "
            f"of {', '.join(KINDS)}."
        )
    rate = sound.get("sampling_rate", 48_000 if kind in CLAP else 16_000)
    try:
        if kind in CLAP:
            if sound.get("truncation") == "fusion" or config.get("audio_config", config).get("enable_fusion"):
                raise UserError(
                    f"{printable(folder)} is a CLAP network with feature fusion, which is not supported: take one "
                    "without, such as clap-htsat-unfused or larger_clap_music."
                )
            samples = round(sound.get("max_length_s", 10) * rate)
            dim = config.get("audio_config", config).get("projection_dim", config.get("projection_dim", 512))
        elif kind in SPEECH:
            samples, dim = SPEECH_SECONDS * rate, config.get("hidden_size", 768)
        else:
            frames, dim = sound.get("max_length", 1024), config.get("hidden_size", 768)
            samples = (frames - 1) * (MAEST_HOP if is_maest(config, sound) else round(KALDI_HOP * rate))
            samples += 0 if is_maest(config, sound) else round(KALDI_WINDOW * rate)
        plain = {"sample_rate": rate, "window_samples": samples, "dim": dim}
        return msgspec.convert(plain | {"name": name, "sha256": digest_of(folder)}, EncoderSettings)
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise UserError(f"The settings in {printable(folder)} are invalid: {error}.") from error


def is_maest(config: dict[str, Any], sound: dict[str, Any]) -> bool:
    """Whether a spectrogram transformer is a MAEST, whose mel spectrogram differs (Alonso-Jiménez et al. 2023)."""
    return config.get("model_type") == "maest" or sound.get("feature_extractor_type") == "MAESTFeatureExtractor"


def weight_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that hold its weights.

    Raises:
        UserError: there are none in safetensors.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = [path.name for path in [*folder.glob("*.bin"), *folder.glob("*.pt*"), *folder.glob("*.ckpt")]]
        if pickled:
            raise UserError(
                f"{printable(folder)} has its weights only as the pickle {printable(pickled[0])}, which can execute "
                "code when it is loaded: convert it to safetensors first."
            )
        raise UserError(f"{printable(folder)} has no weights: it needs a model.safetensors.")
    return files


def digest_of(folder: Path) -> str:
    """SHA-256 of everything that the embeddings depend on: both settings files and the weights.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    whole = hashlib.sha256()
    for path in [folder / CONFIG, folder / PREPROCESSOR, *weight_files(folder)]:
        whole.update(file_digest(path))
    return whole.hexdigest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file, cached until the file changes: a form asks for it at every key press.

    Raises:
        UserError: it is missing or cannot be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{printable(path)} is not a file.")
        return _digest(path, found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise UserError(f"{printable(path)} cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int, inode: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
