"""The two files of weights: best_model.pth, a finished model for anyone, and last.pth, a training to go on with.

Both hold tensors and plain Python values only, are loaded with ``weights_only=True``, so loading one never executes
code, and are written whole or not at all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from core.features.settings import FrontEndSettings
from core.models.registry import build_model
from core.runs.folder import RunFolder
from core.training.recipe import Recipe, from_dict, to_dict
from core.util.atomic import replacing
from core.util.errors import UserError

FORMAT = 1


@dataclass(frozen=True)
class TrainedModel:
    """What best_model.pth holds, with the network built. Logits are in the order of ``genres``."""

    model: nn.Module
    recipe: Recipe
    genres: list[str]
    calibration: dict[str, Any] | None
    """``temperature``, by which logits are divided before the softmax; see `core.training.loop.calibration`, and
    `core.models.ood.thresholds` for what a run that came to its end adds."""
    epoch: int
    """The epoch whose weights these are; 0 for a run that was stopped in its first."""
    val_accuracy: float
    dataset: dict[str, Any]
    """What it was trained on; see `core.training.training_set`."""
    path: Path

    @property
    def front_end(self) -> FrontEndSettings:
        return self.recipe.front_end

    @property
    def temperature(self) -> float:
        return float((self.calibration or {}).get("temperature", 1.0))


def save_best(
    path: Path,
    weights: dict[str, Tensor],
    *,
    recipe: Recipe,
    genres: list[str],
    calibration: dict[str, Any] | None,
    epoch: int,
    val_accuracy: float,
    dataset: dict[str, Any],
) -> None:
    """Writes best_model.pth; see `TrainedModel` for the fields."""
    plain = to_dict(recipe)
    _save(
        path,
        {
            "format": FORMAT,
            "weights": weights,
            "recipe": plain,
            "genres": genres,
            "front_end": plain["front_end"],
            "calibration": calibration,
            "epoch": epoch,
            "val_accuracy": val_accuracy,
            "dataset": dataset,
        },
    )


def read_best(path: Path) -> dict[str, Any]:
    """The plain content of best_model.pth, tensors on the CPU, without building the network.

    Raises:
        UserError: the file is not there, is no model, is damaged, or is of a newer version.
    """
    return _load(path, "a model of genre-tui")


def write_best(path: Path, content: dict[str, Any]) -> None:
    """Writes best_model.pth anew from what `read_best` gave, changed."""
    _save(path, content)


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """The model in a best_model.pth, ready for evaluation on ``device``.

    Raises:
        UserError: the file is not there, is no model, is damaged, or is of a newer version.
    """
    saved = read_best(path)
    try:
        recipe = from_dict(saved["recipe"])
        model = network_of(recipe, len(saved["genres"]))
        model.load_state_dict(saved["weights"])
        return TrainedModel(
            model=model.to(device).eval(),
            recipe=recipe,
            genres=list(saved["genres"]),
            calibration=saved["calibration"],
            epoch=saved["epoch"],
            val_accuracy=saved["val_accuracy"],
            dataset=saved["dataset"],
            path=path,
        )
    except RuntimeError as error:  # torch lists every weight whose shape is another
        raise UserError(
            f"{path} holds weights that do not fit this version's networks: use the version of genre-tui that made it, "
            "or train it anew."
        ) from error
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UserError(f"{path} holds no model that this version can build: {error}") from error


def network_of(recipe: Recipe, genres: int) -> nn.Module:
    """The recipe's network, freshly initialised.

    Raises:
        UserError: there is no such network, or it has no such options.
    """
    return build_model(
        recipe.model,
        n_mels=recipe.front_end.n_mels,
        genres=genres,
        frames=recipe.input_frames,
        **recipe.model_options,
    )


def save_last(path: Path, state: dict[str, Any]) -> None:
    """Writes last.pth: a train_state's state."""
    _save(path, {"format": FORMAT, **state})


def load_last(path: Path) -> dict[str, Any]:
    """The train_state's state in a last.pth, on the CPU.

    Raises:
        UserError: the file is damaged, or is of a newer version.
    """
    return _load(path, "a checkpoint")


def remove_unfinished(run: RunFolder) -> None:
    """Removes what a life that was killed in the middle of a save has left behind: gigabytes, for a large network."""
    for final in (run.last_path, run.best_model_path):
        for left in run.path.glob(f".{final.stem}-*{final.suffix}"):
            left.unlink(missing_ok=True)


def all_finite(weights: dict[str, Tensor]) -> bool:
    """Whether no weight is NaN or infinite; one answer is read back from the device."""
    return bool(torch.stack([torch.isfinite(w).all() for w in weights.values() if w.is_floating_point()]).all())


def _save(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        torch.save(content, temporary)


def _load(path: Path, what: str) -> dict[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} is not there.") from None
    except Exception as error:  # a damaged archive raises whatever its damage leads to
        raise UserError(f"{path} is damaged, or is not {what} ({_first_line(error)}).") from error
    if not isinstance(saved, dict) or "format" not in saved:
        raise UserError(f"{path} is not {what}.")
    if saved["format"] > FORMAT:
        raise UserError(f"{path} was written by a newer version of genre-tui (format {saved['format']}).")
    return saved


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
