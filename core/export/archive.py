"""Exporting and importing a model as an archive of formats that can only contain numbers and text.

The archive is an uncompressed zip of ``manifest.json`` and ``weights.safetensors``. It has the same content as a
best_model.pth, without the path of the dataset.
"""

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from core.inference.backend import Calibration
from core.inference.onnx_backend import FORMAT, VERSION, check_header
from core.training.checkpoint import (
    ARCHIVE_MANIFEST,
    ModelCheckpoint,
    TrainingSet,
    all_finite,
    build_network,
    load_model,
    write_model,
)
from core.training.recipe import Recipe
from core.util.atomic import output_path
from core.util.errors import UserError, explained, reason
from core.util.files import open_regular
from core.util.paths import genres_fault

SUFFIX = ".zip"
MANIFEST, WEIGHTS = ARCHIVE_MANIFEST, "weights.safetensors"
LARGEST_MANIFEST = 64 * 1024 * 1024
"""Most bytes of the manifest, which has a hash of every training clip."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``. ``sha256`` is of ``weights.safetensors``."""

    format: str = FORMAT
    version: int = VERSION
    name: str
    genres: list[str]
    recipe: Recipe
    calibration: dict[str, Any] | None
    epoch: int
    val_accuracy: float
    dataset: TrainingSet
    sha256: str


def write_archive(model_path: Path, name: str, out: Path) -> None:
    """Write the model file at ``model_path`` to the archive ``out``.

    Raises:
        UserError: it is not a model, or ``out`` cannot be written.
    """
    trained = load_model(model_path, torch.device("cpu"))
    weights = safetensors.save({key: value.contiguous() for key, value in trained.model.state_dict().items()})
    manifest = Manifest(
        name=name,
        genres=trained.genres,
        recipe=msgspec.structs.replace(trained.recipe, data=Path(trained.recipe.data).name),
        calibration=trained.calibration,
        epoch=trained.epoch,
        val_accuracy=trained.val_accuracy,
        dataset=msgspec.structs.replace(trained.dataset, path=""),
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    with (
        explained(f"{out} cannot be written"),
        output_path(out) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        archive.writestr(WEIGHTS, weights)


def import_archive(path: Path, out: Path) -> Manifest:
    """Check the archive at ``path`` and write its model to the model file ``out``.

    Raises:
        UserError: it is damaged, from another program, or its weights do not match its network.
    """
    manifest, weights = _read(path)
    _check(path, manifest, weights)
    model = ModelCheckpoint(
        weights=weights,
        recipe=manifest.recipe,
        genres=manifest.genres,
        calibration=manifest.calibration,
        epoch=manifest.epoch,
        val_accuracy=manifest.val_accuracy,
        dataset=manifest.dataset,
    )
    with explained(f"{out} cannot be written"), output_path(out) as temporary:
        write_model(temporary, model)
    return manifest


def _read(path: Path) -> tuple[Manifest, dict[str, Tensor]]:
    try:
        with os.fdopen(open_regular(path), "rb") as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if MANIFEST not in names:
                raise UserError(_foreign(path, names))
            if sorted(names) != sorted({MANIFEST, WEIGHTS}):
                raise UserError(f"{path} is not a genre-tui model: it holds {', '.join(sorted(names)[:5])}")
            text = _member(path, archive, MANIFEST, LARGEST_MANIFEST)
            check_header(text, str(path))
            manifest = msgspec.json.decode(text, type=Manifest)
            data = _member(path, archive, WEIGHTS, path.stat().st_size)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except msgspec.ValidationError as error:
        raise UserError(f"the manifest in {path} is damaged: {error}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason(error)}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} is damaged, or is not an archive ({error})") from error
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise UserError(f"{path} is damaged: its weights do not match the checksum in its manifest")
    try:
        return manifest, safetensors.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"the weights in {path} are damaged: {error}") from error


def _member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """One file of the archive, of at most ``most`` bytes."""
    info = archive.getinfo(name)
    # Exported archives are not compressed, and a compressed one could be a zip bomb.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
        raise UserError(f"{path} is not a genre-tui model: {name} is compressed or too large")
    with archive.open(info) as file:
        return file.read(most)


def _foreign(path: Path, names: list[str]) -> str:
    if any(name.endswith("/data.pkl") for name in names):
        return f"{path} is a PyTorch file, which may hold code; only archives made by genre-tui export are imported"
    return f"{path} is not a genre-tui model: it has no {MANIFEST}"


def _check(path: Path, manifest: Manifest, weights: dict[str, Tensor]) -> None:
    """
    Raises:
        UserError: the manifest and the weights do not belong together, or the weights are NaN or infinite.
    """
    recipe = manifest.recipe
    if fault := genres_fault(manifest.genres):
        raise UserError(f"the manifest in {path} is damaged: {fault}")
    Calibration.of(manifest.calibration).ood_detector(recipe.front_end)
    try:
        with torch.device("meta"):  # only shapes, because a manifest may describe a network of any size
            model = build_network(recipe, len(manifest.genres))
    except (RuntimeError, OverflowError) as error:
        raise UserError(f"the manifest in {path} describes a network that cannot be built: {error}") from error
    expected = {key: (value.shape, value.dtype) for key, value in model.state_dict().items()}
    found = {key: (value.shape, value.dtype) for key, value in weights.items()}
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    if wrong:
        raise UserError(
            f"the weights in {path} do not fit its manifest: {', '.join(wrong[:3])} and {len(wrong)} in all"
        )
    if not all_finite(weights):
        raise UserError(f"the weights in {path} are NaN or infinite")
