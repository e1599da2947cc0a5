"""The New run form: a preset with the texts that were typed over it, and the recipe that they make."""

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from core.dataset.settings import KINDS, LabelSettings, SplitSettings
from core.models.encoders.load import encoder_settings
from core.models.encoders.registry import ENCODERS
from core.models.registry import MODEL_NAMES
from core.training.fields import NONE, recipe_fields, set_value, value_of
from core.training.presets import DEFAULT_PRESET, PRESETS, preset, with_encoder
from core.training.recipe import Recipe, from_dict, to_dict
from core.util.archive.path import as_path
from core.util.errors import UserError
from core.util.files import typed_path
from tui.new_run.command import suited, train_command
from tui.new_run.notifications import FIELDS, Notifications
from tui.new_run.notifications import FieldError as FieldError
from tui.shell.settings import NewRunSettings

T = TypeVar("T", bound=msgspec.Struct)
COMMON = ("model", "epochs", "batch_size", "optimiser.learning_rate", "seed", "device")
"""The fields that are shown first; data and preset stand above them."""


OWN = ("data", "preset", "name", "encoder")
"""Fields of the form that the recipe does not have."""


@dataclass(frozen=True)
class RecipeForm:
    data: str
    preset: str
    typed: Mapping[str, str]
    """Field → text, where it is not the preset's. It stays when another preset is chosen."""
    name: str = ""
    """Name of the run; empty for a generated one."""
    encoder: str = NONE
    """The pretrained encoder that a head is trained on, by name."""
    notifications: Notifications = dataclasses.field(default_factory=Notifications)
    """The run's webhook and notification rules."""
    dataset_split: SplitSettings | None = None
    """The split that suits the dataset, which is used unless another is asked for."""

    @classmethod
    def initial(cls, settings: NewRunSettings, data: str = "") -> Self:
        """The settings' preset, with the other settings on top."""
        chosen = {name: getattr(settings, name) for name in ("epochs", "batch_size", "seed", "device")}
        form = cls(data, settings.preset, {})
        for name, value in chosen.items():
            if value is not None:
                form = form.with_text(name, str(value))
        return form

    @classmethod
    def clone(cls, recipe: Mapping[str, Any]) -> Self:
        """The form that makes a run's recipe again; one that cannot be read gives its dataset alone."""
        data = str(recipe.get("data", ""))
        try:
            plain: dict[str, Any] = to_dict(from_dict(recipe))
        except msgspec.ValidationError:
            return cls(data, DEFAULT_PRESET, {})
        name = str(recipe.get("preset"))
        encoder = (plain["encoder"] or {}).get("name", NONE)
        form = cls(data, name if name in PRESETS else DEFAULT_PRESET, {}, encoder=encoder)
        for field in recipe_fields().values():
            if field.name not in ("data", "preset"):
                form = form.with_text(field.name, field.text(value_of(plain, field.name)))
        # Named even where it is the preset's: the dataset may bring another split.
        return replace(form, typed=dict(form.typed) | {"split.protocol": str(plain["split"]["protocol"])})

    @cached_property
    def base(self) -> dict[str, Any]:
        """The recipe without the typed texts, as plain values."""
        recipe = self._start()
        return to_dict(suited(recipe, self.dataset_split))

    def _start(self) -> Recipe:
        """The preset, or its variant for the encoder if there is one; an encoder that is not installed is ignored."""
        recipe = preset(self.preset, self.data)
        try:
            return recipe if self.encoder == NONE else with_encoder(recipe, encoder_settings(self.encoder))
        except UserError:
            return recipe

    # Fields

    def text(self, name: str) -> str:
        if name in OWN:
            return str(getattr(self, name))
        if name in FIELDS:
            return self.notifications.text(name)
        return self.typed.get(name, self.base_text(name))

    def base_text(self, name: str) -> str:
        """The text of a field into which nothing was typed."""
        if name in FIELDS:
            return self.notifications.base_text(name)
        if name in OWN:
            return NONE if name == "encoder" else ""
        return recipe_fields()[name].text(value_of(self.base, name))

    def is_changed(self, name: str) -> bool:
        return self.text(name).strip() != self.base_text(name)

    def changed(self, group: str) -> int:
        """How many fields of a group are not the preset's, or the settings'."""
        if group == "notify":
            return len(self.notifications.typed)
        return sum(field.group == group and self.is_changed(field.name) for field in recipe_fields().values())

    def with_text(self, name: str, text: str) -> Self:
        if name in OWN:
            return replace(self, **{name: text})  # type: ignore[arg-type]
        if name in FIELDS:
            return replace(self, notifications=self.notifications.with_text(name, text))
        others = {field: typed for field, typed in self.typed.items() if field != name}
        return replace(self, typed=others if text == self.base_text(name) else others | {name: text})

    def reset(self, name: str) -> Self:
        """The preset's value again, or the settings'."""
        if name in FIELDS or name in ("encoder", "name"):
            return self.with_text(name, self.base_text(name))
        return replace(self, typed={field: text for field, text in self.typed.items() if field != name})

    def mistake(self, name: str) -> str:
        """What is wrong with the text of a field by itself; empty if nothing is."""
        if name in FIELDS:
            return self.notifications.mistake(name)
        try:
            self._value(name)
        except FieldError as error:
            return str(error)
        return ""

    def _value(self, name: str) -> object:
        """
        Raises:
            FieldError: the text is not a value of the field.
        """
        field, text = recipe_fields()[name], self.text(name)
        if name == "model" and text not in MODEL_NAMES:
            raise FieldError(name, f"There is no model {text}.")
        try:
            value = field.parse(text)
        except ValueError as error:
            raise FieldError(name, f"{field.label}: {error}.") from error
        if field.is_path and isinstance(value, str) and value not in KINDS:
            return _existing(name, value)
        return value

    # The recipe

    def folder(self) -> Path:
        """The dataset's folder.

        Raises:
            FieldError: none is given, or it is not a folder.
        """
        if not self.data.strip():
            raise FieldError("data", "Choose a folder with music.")
        folder = as_path(typed_path(self.data.strip()))
        try:
            if not folder.exists():
                raise FieldError("data", f"There is no folder {folder}.")
            if not folder.is_dir():
                raise FieldError("data", f"{folder} is a file; choose the folder or the archive with the music.")
        except OSError as error:
            raise FieldError("data", f"{folder} cannot be opened: {error.strerror}.") from error
        return folder

    def label_settings(self) -> LabelSettings:
        """Where the genres come from.

        Raises:
            FieldError: a field about labels is invalid.
        """
        return self._group("labels", LabelSettings)

    def split_settings(self) -> SplitSettings | None:
        """The split that was asked for; None for the dataset's own, or else the preset's.

        Raises:
            FieldError: a field about the split is invalid.
        """
        asked = any(name.startswith("split.") for name in self.typed)
        return self._group("split", SplitSettings) if asked else None

    def _group(self, group: str, kind: type[T]) -> T:
        """A part of the recipe.

        Raises:
            FieldError: a field of it is invalid.
        """
        plain = dict(self.base[group])
        for name in self.typed:
            if name.startswith(f"{group}."):
                plain[name.removeprefix(f"{group}.")] = self._value(name)
        try:
            return msgspec.convert(plain, kind)
        except msgspec.ValidationError as error:
            raise _field_error(error, group) from error

    def recipe(self, data: str | None = None) -> Recipe:
        """The recipe that the form describes.

        Args:
            data: stands for the dataset, which need not exist then.

        Raises:
            FieldError: names the field and says what is valid.
        """
        data = str(self.folder()) if data is None else data
        self._check_encoder()
        if self.preset not in PRESETS:
            raise FieldError("preset", f"There is no preset {self.preset}.")
        plain = to_dict(from_dict(self.base)) | {"data": data}
        for name in self.typed:
            set_value(plain, name, self._value(name))
        try:
            return from_dict(plain)
        except msgspec.ValidationError as error:
            raise _field_error(error) from error

    def _check_encoder(self) -> None:
        """
        Raises:
            FieldError: the encoder is not there, or the dataset has no sound for it.
        """
        if self.encoder == NONE:
            return
        try:
            encoder_settings(self.encoder)
        except UserError as error:
            raise FieldError("encoder", str(error)) from error
        if self.text("model") != "encoder_head":
            raise FieldError("model", "An encoder trains a head of its own: encoder_head.")

    def command(self) -> list[str]:
        """The ``train`` command that starts the same run.

        Raises:
            FieldError: a field is invalid.
        """
        recipe, suits = self.recipe(), self.dataset_split
        words = train_command(recipe, self.preset, self._start(), dataset_split=suits, name=self.name.strip())
        return words + self.notifications.options()


def about_encoder(name: str) -> str:
    """One line about the encoder of this name; empty for a folder or a repository of the hub."""
    if name == NONE:
        return "the network learns from the spectrogram alone"
    return ENCODERS[name].summary if name in ENCODERS else ""


def _existing(name: str, text: str) -> str:
    """A path as a recipe keeps it: absolute.

    Raises:
        FieldError: the file does not exist.
    """
    if not text:
        raise FieldError(name, f"{recipe_fields()[name].label}: enter the path of a table.")
    path = typed_path(text)
    try:
        exists = path.exists()
    except OSError as error:
        raise FieldError(name, f"{path} cannot be opened: {error.strerror}.") from error
    if not exists:
        other = "; auto, tags and folders need no table" if name == "labels.source" else ""
        raise FieldError(name, f"There is no table {path}{other}.")
    return str(path)


def _field_error(error: msgspec.ValidationError, group: str = "") -> FieldError:
    """The field that a recipe's own check names: ``warmup must be … - at `$.optimiser` ``."""
    message, _, place = str(error).partition(" - at ")
    place, fields = place.strip("`$."), recipe_fields()
    first = message.split(maxsplit=1)[0].rstrip(":")
    for name in (f"{group or place.partition('.')[0]}.{first}", first, place):
        if name in fields:
            return FieldError(name, f"{message[0].upper()}{message[1:]}.")
    return FieldError("preset", f"{message}.")


def device_choices() -> dict[str, str]:
    """Name for ``--device`` → description, found without torch. The trainer decides: PyTorch may lack CUDA."""
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
