"""The settings: one typed field each, documented below it, read from a TOML file. Imports no Textual.

``settings_file()`` says where; ``template()`` is the file with every setting, its text and its default, made from this
source, so the two cannot differ.
"""

import ast
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from core.training.presets import DEFAULT_PRESET, PRESETS
from core.util.dirs import config_folder
from core.util.errors import UserError
from core.util.files import read_small


class SettingsError(UserError):
    """The settings file has a mistake; the defaults are in force."""


class NewRunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the New run screen begins with. What is left out comes from the preset."""

    data: str = ""
    """Folder of genres or feature pack; empty begins where the app was started."""
    preset: str = DEFAULT_PRESET
    """The recipe to begin from."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    epochs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Times the training part is gone through."""
    batch_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Clips, or crops of clips, in a batch."""
    seed: int | None = None
    """Of the split, the weights and the order of the batches."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    theme: str = "auto"
    """auto, dark, light, colour-blind, 16-colour, or any theme that the command palette lists.

    auto asks the terminal: sixteen colours, a light background (COLORFGBG), or else dark.
    """
    ascii: bool = False
    """Draw with ASCII only, as --ascii does."""
    mouse: bool = True
    """Take clicks and the wheel. Without it the terminal's own selection works as usual."""
    bell: bool = False
    """Ring the terminal's bell when the run in view ends."""
    webhook: str = ""
    """Where the trainer of a run that was started in the app posts a summary, as JSON, when it ends; empty for none."""
    sort: Literal["state", "name", "model", "dataset", "progress", "val", "test", "started", "time"] = "started"
    """Column that the Runs screen is sorted by: state, name, model, dataset, progress, val, test, started or time."""
    descending: bool = True
    """Whether that order is from high to low."""
    log_loss: bool = False
    """Whether a run that is watched for the first time shows its loss on a logarithmic scale."""
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Weight of the past in the smoothed curves of such a run, from 0 (none) to below 1."""
    new_run: NewRunSettings = NewRunSettings()
    keys: dict[str, str] = {}
    """Binding = "key" or "key,key". The names and what they are by default stand below; ? shows what is in force."""


def settings_file() -> Path:
    """``$XDG_CONFIG_HOME/genre-tui/config.toml``."""
    return config_folder() / "config.toml"


def read_settings(path: Path) -> Settings:
    """The settings in ``path``, or the defaults where there is no such file.

    Raises:
        SettingsError: the file cannot be read, is no TOML, or holds an unknown setting or a wrong value.
    """
    try:
        settings = msgspec.convert(tomllib.loads(read_small(path).decode()), Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as mistake:
        raise SettingsError(f"{path}: {str(mistake).rstrip('.')}. The defaults are in force.") from mistake
    if settings.webhook and not settings.webhook.startswith(("http://", "https://")):
        raise SettingsError(f"{path}: webhook is no http or https address. The defaults are in force.")
    if settings.new_run.preset not in PRESETS:
        raise SettingsError(
            f"{path}: there is no preset {settings.new_run.preset!r} (there is {', '.join(PRESETS)}). "
            "The defaults are in force."
        )
    return settings


def template(keys: Mapping[str, tuple[str, str]]) -> str:
    """A settings file that changes nothing: every setting commented out, with its text and its default.

    Args:
        keys: binding id → (default key, what it does).
    """
    classes = {
        node.name: node
        for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    lines = ["# Settings of genre-tui. Every line is the default; take away the # to change one.", ""]
    lines += _documented(classes["Settings"], Settings(), skip={"new_run", "keys"})
    lines += ["[new_run]", *_comment(ast.get_docstring(classes["NewRunSettings"]) or ""), ""]
    lines += _documented(classes["NewRunSettings"], NewRunSettings())
    lines += ["[keys]", *_comment(_texts(classes["Settings"])["keys"]), ""]
    lines += [f"# {_toml(name)} = {_toml(key)}  # {what}" for name, (key, what) in sorted(keys.items())]
    return "\n".join(lines) + "\n"


def _documented(source: ast.ClassDef, defaults: msgspec.Struct, skip: set[str] | None = None) -> list[str]:
    lines = []
    for name, text in _texts(source).items():
        if name in (skip or set()):
            continue
        value = getattr(defaults, name)
        example = "" if value is None else f" {_toml(value)}"
        lines += [*_comment(text), f"# {name} ={example}{'  (from the preset)' if value is None else ''}", ""]
    return lines


def _texts(source: ast.ClassDef) -> dict[str, str]:
    """Field → the string below it."""
    texts = {}
    for field, text in zip(source.body, source.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            texts[field.target.id] = str(text.value.value)
    return texts


def _comment(text: str) -> list[str]:
    return [f"# {line.strip()}".rstrip() for line in text.strip().splitlines()]


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()
