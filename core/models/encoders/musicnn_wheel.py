"""Gets musicnn's weights: from its wheel on the package index to safetensors in the cache folder.

Nothing of the package is executed.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from core.models.encoders.registry import LICENCE, WEIGHTS, encoder_folder
from core.util.atomic import replacing, write_atomic
from core.util.errors import UserError

PACKAGE, FILE = "musicnn==0.1.0", "musicnn-0.1.0-py3-none-any.whl"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
CHECKPOINT = "musicnn/MSD_musicnn/"
"""The network of the Million Song Dataset, in the wheel."""
INDEX, DATA, LICENCE_FILE = (
    f"{CHECKPOINT}.index",
    f"{CHECKPOINT}.data-00000-of-00001",
    "musicnn-0.1.0.dist-info/LICENSE.md",
)
LARGEST = 64 << 20
"""Bytes of a file in the wheel."""
SECONDS = 600
"""How long pip may take."""


def get_musicnn() -> Path:
    """Downloads the wheel with pip, checks its digest, and converts its weights; returns the folder they are in.

    Raises:
        UserError: pip cannot get it, it is not the file that is expected, or the folder cannot be written.
    """
    with TemporaryDirectory(prefix="genre-tui-") as folder:
        return install(_downloaded(Path(folder)))


def install(wheel: Path, sha256: str = SHA256) -> Path:
    """The same from a wheel that is here already.

    Raises:
        UserError: its SHA-256 is another, it is damaged, or the folder cannot be written.
    """
    import torch  # not for the list of encoders
    from safetensors.torch import save_file

    from core.models.encoders.musicnn import from_tensorflow
    from core.models.encoders.tensor_bundle import read_bundle

    try:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{wheel} cannot be read: {error.strerror}.") from error
    if digest != sha256:
        raise UserError(f"{wheel.name} is not the file that is expected: its SHA-256 is {digest}, not {sha256}.")
    try:
        with zipfile.ZipFile(wheel) as archive:
            index, data, licence = (_member(archive, name) for name in (INDEX, DATA, LICENCE_FILE))
        weights: dict[str, torch.Tensor] = from_tensorflow(read_bundle(index, data))
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{wheel.name} cannot be read: {str(error).strip()}.") from error
    folder = encoder_folder("musicnn")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / LICENCE, licence)
        with replacing(folder / WEIGHTS) as temporary:
            save_file(weights, temporary, metadata={"licence": licence.decode("utf-8", "replace")})
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): make room, or set GENRE_TUI_CACHE to another folder."
        ) from error
    return folder


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} is larger than {LARGEST:,} bytes")
    return archive.read(name)


def _downloaded(folder: Path) -> Path:
    """The wheel, from the index that pip is configured for. ``--only-binary`` keeps pip from building, and running, it.

    Raises:
        UserError: pip is not there, or has not found it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    options = ["--disable-pip-version-check", "--dest", str(folder), PACKAGE]
    try:
        done = subprocess.run(
            command + options,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"pip cannot download {PACKAGE}: {error}.") from error
    if done.returncode or not (folder / FILE).is_file():
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        why = lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else f"it gave no {FILE}"
        raise UserError(
            f"pip cannot download {PACKAGE} ({why}): check the network and pip's index, or download {FILE} elsewhere "
            "and give it with --wheel."
        )
    return folder / FILE
