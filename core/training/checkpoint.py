"""The two checkpoint files: best_model.pth, a finished model, and last.pth, from which training resumes.

Each is a typed struct with one reader and one writer. Both files contain only tensors and plain Python values, are
loaded with ``weights_only=True`` so that no code is executed, and are written atomically. A model file also holds its
training set, so that testing on its training clips is detected.
"""

import math
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from core.dataset.clip import Clip
from core.dataset.split import PARTS, Split
from core.features.settings import FrontEndSettings
from core.models.registry import build_model
from core.training.errors import is_out_of_memory
from core.training.recipe import Recipe
from core.util.atomic import replacing
from core.util.errors import UserError, first_line
from core.util.files import open_regular
from core.util.paths import genres_fault

LEARNT = ("train", "valid")
"""Parts that a model was trained on or selected by, which do not measure its accuracy."""


class PartClips(msgspec.Struct, frozen=True):
    """The clips of a part, by ``content`` hash and by ``genre/name``.

    Names are needed because a collection's audio and feature pack have different content hashes.
    """

    content: list[str] = []
    name: list[str] = []


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset's name and path, and the clips of its parts train, valid and test."""

    name: str = ""
    path: str = ""
    parts: dict[str, PartClips] = {}

    def parts_of(self, clips: Sequence[Clip]) -> list[str | None]:
        """The part of each clip in training: train, valid, test, or None for a clip that is new to the model."""
        known: dict[str, str] = {}
        # A name in several parts belongs to the first, so that training clips are never counted as held out.
        for part in reversed(PARTS):
            listed = self.parts.get(part, PartClips())
            known |= dict.fromkeys([*listed.content, *listed.name], part)
        return [known.get(clip.content) or known.get(_full_name(clip)) for clip in clips]

    @property
    def learnt(self) -> frozenset[str]:
        """``genre/name`` of every clip that the model was trained on or selected by."""
        return frozenset(name for part in LEARNT for name in self.parts.get(part, PartClips()).name)


def training_set(name: str, path: str, clips: Sequence[Clip], split: Split) -> TrainingSet:
    """The training set for a dataset called ``name`` at ``path`` with ``clips`` divided by ``split``."""
    parts = {
        part: PartClips([clips[i].content for i in indices], [_full_name(clips[i]) for i in indices])
        for part, indices in split.parts().items()
    }
    return TrainingSet(name=name, path=path, parts=parts)


def _full_name(clip: Clip) -> str:
    return f"{clip.genre}/{clip.name}"


FORMAT = 1
ARCHIVE_MANIFEST = "manifest.json"
"""The file that an exported archive of weights has and a checkpoint does not."""

Count = Annotated[int, Meta(ge=0)]
CheckpointT = TypeVar("CheckpointT", "ModelCheckpoint", "TrainCheckpoint")


class ModelCheckpoint(msgspec.Struct, kw_only=True):
    """The content of best_model.pth. Logits are in the order of ``genres``."""

    weights: dict[str, Tensor]
    recipe: Recipe
    genres: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=2)]
    calibration: dict[str, float | list[float | list[float]] | None] | None
    """``temperature``, which logits are divided by before the softmax (see `core.training.loop.evaluation`), and the
    out-of-distribution thresholds that the final report adds (see `core.models.ood`)."""
    epoch: Count
    """The epoch of these weights; 0 for a run that was stopped in its first epoch."""
    val_accuracy: float
    dataset: TrainingSet

    @property
    def front_end(self) -> FrontEndSettings:
        return self.recipe.front_end

    @property
    def temperature(self) -> float:
        return float((self.calibration or {}).get("temperature", 1.0))  # type: ignore[arg-type]


class TrainedModel(ModelCheckpoint, kw_only=True):
    """A `ModelCheckpoint` with its network built and loaded; ``weights`` is empty then."""

    model: nn.Module
    path: Path


class EpochMetrics(msgspec.Struct, frozen=True):
    """The metrics of a finished epoch."""

    epoch: Count
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


class BestEpoch(msgspec.Struct, frozen=True):
    """The epoch with the highest validation accuracy so far; of equal ones, that with the lower loss."""

    epoch: Count
    val_accuracy: float
    val_loss: float
    calibration: dict[str, float]

    def beats(self, other: "BestEpoch | None") -> bool:
        return other is None or (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


class TrainProgress(msgspec.Struct):
    """The progress of training."""

    epochs: Count
    """Epochs to train, extensions included."""
    planned: Count
    """Epochs of the recipe at the start of training; the warm-up is a fraction of these."""
    epoch: Count = 0
    """Completed epochs."""
    batch: Count = 0
    """Completed batches of the current epoch."""
    clips: Count = 0
    """Trained windows of the current epoch."""
    step: Count = 0
    """Optimiser steps since the start."""
    seconds: float = 0.0
    """Training time of the current epoch at the last save."""
    patient_from: Count = 0
    """The epoch from which patience counts after extending a run that was out of patience."""
    best: BestEpoch | None = None
    history: list[EpochMetrics] = []


class OptimiserState(msgspec.Struct):
    """``torch.optim.Optimizer.state_dict()``."""

    state: dict[int, dict[str, Any]]
    param_groups: Annotated[list[dict[str, Any]], Meta(min_length=1)]


class AverageState(msgspec.Struct):
    """The moving average of the weights, and its number of updates."""

    weights: dict[str, Tensor]
    updates: Count


class RandomState(msgspec.Struct):
    """States of the random number generators; ``cuda`` is None if training ran on another device."""

    cpu: Tensor
    cuda: Tensor | None
    augmentation: Tensor


class TrainCheckpoint(msgspec.Struct, kw_only=True):
    """The content of last.pth: everything needed to resume exactly."""

    weights: dict[str, Tensor]
    optimiser: OptimiserState
    average: AverageState | None
    random: RandomState
    sums: Tensor
    """Loss and number of correct predictions of the current epoch, summed [2]."""
    progress: TrainProgress = msgspec.field(name="place")
    window_frames: Count = 0
    """Frames of the windows that `choose_windows` chose; 0 in checkpoints of earlier versions."""


def read_model(path: Path) -> ModelCheckpoint:
    """Read best_model.pth without building the network; tensors are on the CPU.

    Raises:
        UserError: the file is missing, damaged, not a model, of a newer version, or has invalid values.
    """
    model = _read(path, ModelCheckpoint, "a model of genre-tui")
    if fault := genres_fault(model.genres):
        raise UserError(f"{path} is damaged: {fault}.")
    try:
        temperature = model.temperature
    except (TypeError, ValueError):
        temperature = math.nan
    if not 0 < temperature < math.inf:
        raise UserError(f"{path} is damaged: its temperature must be a positive number.")
    return model


def write_model(path: Path, model: ModelCheckpoint) -> None:
    """Write best_model.pth.

    Raises:
        OSError: the disk is full or gone; the file is as it was.
    """
    content = to_plain(model)
    _write(path, content | {"front_end": content["recipe"]["front_end"]})  # version 0.1 reads it from here


def read_training(path: Path) -> TrainCheckpoint:
    """Read last.pth; tensors are on the CPU.

    Raises:
        UserError: the file is missing, damaged, not a checkpoint, or of a newer version.
    """
    return _read(path, TrainCheckpoint, "a checkpoint")


def write_training(path: Path, state: TrainCheckpoint) -> None:
    """Write last.pth.

    Raises:
        OSError: the disk is full or gone; the file is as it was.
    """
    _write(path, to_plain(state))


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """Load a best_model.pth for evaluation on ``device``.

    Raises:
        UserError: as for `read_model`, or its weights do not match the network of its recipe.
    """
    saved = read_model(path)
    try:
        network = build_network(saved.recipe, len(saved.genres))
        _check_types(network.state_dict(), saved.weights)
        network.load_state_dict(saved.weights)
    except UserError as error:
        raise UserError(f"{path} cannot be loaded. {error}") from error
    except (RuntimeError, TypeError) as error:  # PyTorch lists all weights with other shapes
        if is_out_of_memory(error):
            raise UserError(f"{path} needs more memory than there is: {first_line(error)}") from error
        raise UserError(
            f"{path} has weights that do not match the networks of this version: use the version of genre-tui that "
            "made it, or train it again."
        ) from error
    fields = {name: getattr(saved, name) for name in saved.__struct_fields__} | {"weights": {}}
    return TrainedModel(**fields, model=network.to(device).eval(), path=path)


def build_network(recipe: Recipe, genres: int) -> nn.Module:
    """Build and initialise the recipe's network.

    Raises:
        UserError: the network or one of its options does not exist.
    """
    return build_model(
        recipe.model,
        n_mels=recipe.front_end.n_mels,
        genres=genres,
        frames=recipe.input_frames,
        frame_seconds=recipe.front_end.frame_seconds,
        embedding=0 if recipe.encoder is None else recipe.encoder.dim,
        **recipe.model_options,
    )


def _check_types(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    """
    Raises:
        TypeError: PyTorch would silently convert weights of another kind, such as integers.
    """
    for name, weight in weights.items():
        own = expected.get(name, weight)
        if (own.is_floating_point(), own.is_complex()) != (weight.is_floating_point(), weight.is_complex()):
            raise TypeError(f"{name} is {weight.dtype}, not {own.dtype}")


def all_finite(weights: dict[str, Tensor]) -> bool:
    """Whether no weight is NaN or infinite; synchronises once."""
    finite = [torch.isfinite(w).all() for w in weights.values() if w.is_floating_point()]
    return not finite or bool(torch.stack(finite).all())


def to_plain(value: Any) -> Any:
    """Convert structs to dicts recursively; tensors and other values are unchanged."""
    if isinstance(value, Recipe):
        return msgspec.to_builtins(value)
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {stored: to_plain(getattr(value, name)) for stored, name in names}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, list) else value


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        with replacing(path) as temporary:
            torch.save({"format": FORMAT, **content}, temporary)
    except RuntimeError as error:
        if "inline_container" not in str(error):
            raise
        raise OSError("only a part of it could be written") from error  # PyTorch's writer gives no reason


def _read(path: Path, kind: type[CheckpointT], what: str) -> CheckpointT:
    try:
        os.close(open_regular(path))  # a FIFO would be waited for
        if path.suffix == ".onnx":
            raise UserError(f"{path} is an ONNX model, which can only classify: name the model that was exported.")
        _check_sums(path)
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged, or is not {what} ({first_line(error)}).") from error
    except UserError:
        raise
    except Exception as error:  # many different ones, with messages that advise loading it without weights_only
        if is_out_of_memory(error):
            raise UserError(f"{path} needs more memory than there is.") from error
        code = " It may hold code, which is not run." if isinstance(error, pickle.UnpicklingError) else ""
        raise UserError(f"{path} is damaged, or is not {what}.{code}") from error
    if not isinstance(saved, dict) or not isinstance(saved.get("format"), int):
        raise UserError(f"{path} is not {what}.")
    if saved["format"] > FORMAT:
        raise UserError(f"{path} was written by a newer version of genre-tui (format {saved['format']}).")
    try:
        content = msgspec.convert(saved, kind)
    except (msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or is not {what}: {first_line(error)}.") from error
    if any(map(_has_no_values, content.weights.values())):
        raise UserError(f"{path} is damaged: some of its weights are sparse or have no values.")
    if not all_finite(content.weights):
        raise UserError(f"{path} is damaged: some of its weights are NaN or infinite.")
    return content


def _has_no_values(weight: Tensor) -> bool:
    """Whether a tensor has fewer values than its shape says; an expanded one of a few bytes could fill the memory."""
    if weight.layout != torch.strided or weight.device.type != "cpu":
        return True
    return weight.untyped_storage().nbytes() < weight.numel() * weight.element_size()


def _check_sums(path: Path) -> None:
    """Check the checksums of the whole zip file, which ``torch.load`` does not do.

    Raises:
        UserError: it is an exported archive of weights.
        zipfile.BadZipFile: a member is damaged or compressed; PyTorch does not compress.
    """
    with zipfile.ZipFile(path) as archive:
        if ARCHIVE_MANIFEST in archive.namelist():
            raise UserError(f"{path} is an exported archive; make a model of it with genre-tui import ARCHIVE NAME.pth")
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise zipfile.BadZipFile("it is compressed")
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
