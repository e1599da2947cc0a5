"""The New run form as text, the recipe it makes, and the devices it offers (found without torch)."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import msgspec

from core.dataset.labels.settings import KINDS, LabelSettings
from core.models.registry import MODEL_NAMES
from core.runs.folder import MOST_EPOCHS
from core.training.presets import PRESETS, preset
from core.training.recipe import HIGHEST_SEED, Recipe
from core.util.errors import UserError
from tui.shell.settings import NewRunSettings

LABELS = {
    "data": "Dataset",
    "preset": "Preset",
    "model": "Model",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "seed": "Seed",
    "device": "Device",
    "labels": "Labels",
    "name": "Name",
}


class FieldError(UserError):
    """A field is invalid; ``field`` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class RecipeForm:
    data: str
    preset: str
    model: str
    epochs: str
    batch_size: str
    learning_rate: str
    seed: str
    device: str
    name: str = ""
    labels: str = ""
    """A table, ``tags`` or ``folders``; empty takes what is found."""

    @classmethod
    def initial(cls, settings: NewRunSettings, data: str = "") -> Self:
        """The initial form: the preset with the settings on top."""
        form = cls(data, settings.preset, "", "", "", "", "", settings.device).with_preset(settings.preset)
        chosen = {
            field: str(value)
            for field in ("epochs", "batch_size", "seed")
            if (value := getattr(settings, field)) is not None
        }
        return replace(form, **chosen)

    def with_preset(self, name: str) -> Self:
        """The form with another preset's values; dataset, device and name stay."""
        recipe = preset(name, self.data)
        return replace(
            self,
            preset=name,
            model=recipe.model,
            epochs=str(recipe.epochs),
            batch_size=str(recipe.batch_size),
            learning_rate=f"{recipe.optimiser.learning_rate:g}",
            seed=str(recipe.seed),
        )

    def folder(self) -> Path:
        """The dataset folder.

        Raises:
            FieldError: none is given, or it is not a folder.
        """
        if not self.data.strip():
            raise FieldError("data", "Choose a folder with music.")
        folder = Path(self.data.strip()).expanduser().absolute()
        if not folder.exists():
            raise FieldError("data", f"There is no folder {folder}.")
        if not folder.is_dir():
            raise FieldError("data", f"{folder} is a file; choose the folder with the music.")
        return folder

    def label_settings(self) -> LabelSettings:
        """Where the genres come from.

        Raises:
            FieldError: there is no such table.
        """
        source = self.labels.strip()
        if not source or source in KINDS:
            return LabelSettings(source=source or "auto")
        path = Path(source).expanduser().absolute()
        if not path.exists():
            raise FieldError("labels", f"There is no table {path}; type tags or folders, or nothing at all.")
        return LabelSettings(source=str(path))

    def recipe(self) -> Recipe:
        """The recipe that the form describes.

        Raises:
            FieldError: names the field and says what is valid.
        """
        data = str(self.folder())
        if self.preset not in PRESETS:
            raise FieldError("preset", f"There is no preset {self.preset}.")
        if self.model not in MODEL_NAMES:
            raise FieldError("model", f"There is no model {self.model}.")
        recipe = preset(self.preset, data)
        optimiser = msgspec.structs.replace(recipe.optimiser, learning_rate=self._rate())
        return msgspec.structs.replace(
            recipe,
            model=self.model,
            epochs=self._whole("epochs", least=1, most=MOST_EPOCHS),
            batch_size=self._whole("batch_size", least=1),
            seed=self._whole("seed", least=0),
            device=self.device,
            labels=self.label_settings(),
            optimiser=optimiser,
        )

    def _whole(self, field: str, *, least: int, most: int = HIGHEST_SEED) -> int:
        text = getattr(self, field).strip()
        # Python refuses to parse numbers of thousands of digits.
        if not text.isdecimal() or len(text) > len(str(HIGHEST_SEED)) or not least <= int(text) <= most:
            limit = f"at least {least}" if most == HIGHEST_SEED else f"from {least} to {most:,}"
            raise FieldError(field, f"{LABELS[field]}: enter a whole number, {limit}.")
        return int(text)

    def _rate(self) -> float:
        text = self.learning_rate.strip()
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0 < rate < 10:
            raise FieldError(
                "learning_rate",
                f"{LABELS['learning_rate']}: enter a positive number such as 0.001 or 1e-3.",
            )
        return rate


def device_choices() -> dict[str, str]:
    """Name for ``--device`` → description. The trainer decides in the end: PyTorch may be built without CUDA."""
    choices = {"auto": "the GPU if there is one, otherwise the CPU", "cpu": "the CPU"}
    for number, name in enumerate(_nvidia_gpus()):
        choices[f"cuda:{number}"] = name
    if sys.platform == "darwin":
        choices["mps"] = "Apple's GPU"
    return choices


def _nvidia_gpus() -> list[str]:
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []  # no driver
