"""The settings: typed, documented fields, read from a TOML file; and views kept between visits. Imports no Textual.

``settings_file()`` is the path; ``template()`` is a file with every setting, its description and its default, made from
this source so that the two cannot differ.

The views of the list of runs and of each run are kept in the user's own folder and not in the runs', which have one
writer: the trainer. A damaged file, or one of another version, yields what is readable and defaults for the rest."""

import contextlib
import hashlib
import inspect
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from core.runs.notices import Format, NotifyRules, Webhook, check_webhook
from core.training.presets import DEFAULT_PRESET, PRESETS
from core.util.atomic import write_atomic
from core.util.errors import UserError, reason
from core.util.files import read_small
from core.util.paths import config_folder, state_folder
from core.util.text import field_docs

LARGEST = 1024 * 1024
"""Bytes of a settings file."""
T = TypeVar("T", bound=msgspec.Struct)


class SettingsError(UserError):
    """The settings file cannot be used at all, or a key map is contradictory."""


class NewRunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Initial values of the New run screen. What is left out comes from the preset."""

    data: str = ""
    """Folder of genres or feature pack; empty for a folder named genres, if there is one."""
    preset: str = DEFAULT_PRESET
    """The recipe to start from."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    epochs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Passes over the training clips."""
    batch_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Clips, or crops of clips, per batch."""
    seed: int | None = None
    """Seed of the split, the weights and the order of the batches."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    runs: str = ""
    """Folder with the runs, unless --runs or GENRE_TUI_RUNS names one, such as ~/runs; empty for ./runs."""
    theme: str = "auto"
    """auto, dark, light, colour-blind, 16-colour, or any theme that the command palette lists.

    auto asks the terminal: 16 colours if it has no more, light on a light background (COLORFGBG), otherwise dark.
    """
    ascii: bool = False
    """Draw with ASCII only, as --ascii does."""
    pixels: bool = True
    """Draw spectrograms in pixels in terminals that can: kitty and Ghostty, in tmux with allow-passthrough, too."""
    mouse: bool = True
    """Accept clicks and the wheel. When false, the terminal's own text selection works as usual."""
    bell: bool = False
    """Ring the terminal bell with each notification."""
    desktop: bool = True
    """Show notifications on the desktop, progress in the tab or taskbar, and the run in the window title.

    Terminals that know the sequences (OSC 9, OSC 777 and OSC 9;4) do so, over SSH too; tmux needs allow-passthrough.
    """
    webhook: str = ""
    """http or https address to which the runs that you start post their notifications; empty for none."""
    webhook_format: Format = "auto"
    """slack, discord, ntfy or json; auto decides by the address."""
    sort: str = "started"
    """Column by which the Runs screen is sorted: state, name, model, dataset, progress, val, test, started or time."""
    descending: bool = True
    """Whether the runs are sorted in descending order."""
    log_loss: bool = False
    """Whether the loss of a run watched for the first time is shown on a logarithmic scale."""
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Smoothing of the curves of such a run: weight of the past, from 0 (none) to below 1."""
    notify: NotifyRules = NotifyRules()
    """Notifications, to the terminal and the webhook; see [notify]."""
    new_run: NewRunSettings = NewRunSettings()
    keys: dict[str, str] = {}
    """Binding = "key" or "key,key". All names and default keys follow; ? shows the keys in effect."""

    def webhook_for(
        self, url: str | None = None, format: Format | None = None, rules: NotifyRules | None = None
    ) -> Webhook | None:
        """The webhook of a new run, or None. What a command names goes before the settings."""
        url = url or self.webhook
        return Webhook(url, format or self.webhook_format, rules or self.notify) if url else None


def settings_file() -> Path:
    """``$XDG_CONFIG_HOME/genre-tui/config.toml``."""
    return config_folder() / "config.toml"


def default_runs_dir() -> Path:
    """``GENRE_TUI_RUNS``, the setting ``runs``, or ./runs.

    Raises:
        UserError: it is in the home of a user who does not exist.
    """
    chosen = os.environ.get("GENRE_TUI_RUNS", "")
    if not chosen:
        with contextlib.suppress(SettingsError):  # the app says so when it starts
            chosen = read_settings(settings_file())[0].runs
    try:
        return Path(chosen or "runs").expanduser()
    except RuntimeError as error:
        raise UserError(f"the runs folder {chosen} cannot be found: that user has no home folder") from error


def read_settings(path: Path) -> tuple[Settings, list[str]]:
    """Read the settings and what is wrong with them; the defaults if the file does not exist.

    An unknown setting is ignored and one with a wrong value keeps its default; each is one sentence of the second
    result, and all others hold.

    Raises:
        SettingsError: the file cannot be read or is not TOML.
    """
    try:
        plain = tomllib.loads(read_small(path, LARGEST).decode())
    except FileNotFoundError:
        return Settings(), []
    except (OSError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or not TOML
        why = reason(error).rstrip(".")
        raise SettingsError(f"{path} cannot be used: {why}. The default settings are in effect.") from error
    settings, mistakes = convert_leniently(plain, Settings)
    try:
        if (webhook := settings.webhook_for()) is not None:
            check_webhook(webhook)
    except UserError as error:
        mistakes.append(f"webhook: {error}; no webhook is used.")
        settings = msgspec.structs.replace(settings, webhook="")
    if settings.new_run.preset not in PRESETS:
        mistakes.append(f"new_run.preset: there is no preset {settings.new_run.preset!r} ({', '.join(PRESETS)}).")
        new_run = msgspec.structs.replace(settings.new_run, preset=DEFAULT_PRESET)
        settings = msgspec.structs.replace(settings, new_run=new_run)
    return settings, [f"{path}: {mistake}" for mistake in mistakes]


def convert_leniently(plain: object, kind: type[T], prefix: str = "") -> tuple[T, list[str]]:
    """Convert field by field, with the default for what is missing or wrong, and one sentence per mistake.

    Args:
        kind: a struct whose fields all have defaults.
        prefix: put before the names of fields in the sentences.
    """
    if not isinstance(plain, dict):
        return kind(), [f"{prefix.rstrip('.') or 'It'}: not a table."]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    mistakes = [f"{prefix}{name}: there is no such setting; it is ignored." for name in plain if name not in fields]
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name not in plain:
            continue
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            values[field.name], inner = convert_leniently(plain[name], field.type, f"{prefix}{name}.")
            mistakes += inner
            continue
        try:
            values[field.name] = msgspec.convert(plain[name], field.type)
        except msgspec.ValidationError as error:
            mistakes.append(f"{prefix}{name}: {str(error).rstrip('.')}; the default is used.")
    return kind(**values), mistakes


def template(keys: Mapping[str, tuple[str, str]]) -> str:
    """A settings file that changes nothing: every setting commented out, with its description and default.

    Args:
        keys: binding id → (default key, description).
    """
    lines = ["# Settings of genre-tui. Every line shows the default; remove its # to change it.", ""]
    lines += _documented(Settings(), skip={"notify", "new_run", "keys"})
    for group in (NotifyRules(), NewRunSettings()):
        name = next(field for field in Settings.__struct_fields__ if getattr(Settings(), field) == group)
        lines += [f"[{name}]", *_comment(inspect.getdoc(type(group)) or ""), "", *_documented(group)]
    lines += ["[keys]", *_comment(field_docs(Settings)["keys"]), ""]
    lines += [f"# {_toml(name)} = {_toml(key)}  # {what}" for name, (key, what) in sorted(keys.items())]
    return "\n".join(lines) + "\n"


def _documented(defaults: msgspec.Struct, skip: set[str] | None = None) -> list[str]:
    lines = []
    for name, text in field_docs(type(defaults)).items():
        if name in (skip or set()):
            continue
        value = getattr(defaults, name)
        example = "" if value is None else f" {_toml(value)}"
        lines += [*_comment(text), f"# {name} ={example}{'  (from the preset)' if value is None else ''}", ""]
    return lines


def _comment(text: str) -> list[str]:
    return [f"# {line.strip()}".rstrip() for line in text.strip().splitlines()]


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()


RUNS_FILE = "runs-view.json"


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    """The list of runs: its order, columns and grouping."""

    sort: str = ""
    descending: bool = True
    columns: tuple[str, ...] = ()
    grouped: bool = False


class WatchView(msgspec.Struct, frozen=True, kw_only=True):
    """The Watch screen of one run; None means as in the settings."""

    smoothing: float | None = None
    log_loss: bool | None = None
    steps: bool = False
    pane: str = ""


View = TypeVar("View", RunsView, WatchView)


def load_view(file: Path, usual: View) -> View:
    """The view kept in ``file``; ``usual`` where nothing is kept or it cannot be used."""
    try:
        plain = msgspec.json.decode(read_small(file))
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return usual
    view, _ = convert_leniently(plain, type(usual))
    if isinstance(view, WatchView) and view.smoothing is not None and not 0 <= view.smoothing < 1:
        return msgspec.structs.replace(view, smoothing=None)
    return view


def save_view(file: Path, view: RunsView | WatchView) -> None:
    """Keep a view. If the folder is not writable, the view lasts as long as the app."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, msgspec.json.encode(view))


def runs_view_file() -> Path:
    return state_folder() / RUNS_FILE


def run_view_file(run: Path) -> Path:
    """The file for the run in folder ``run``."""
    digest = hashlib.sha1(os.fsencode(run.resolve())).hexdigest()
    return state_folder() / "views" / f"{run.name[:100]}-{digest[:8]}.json"
