"""The view of the list of runs and of each run, kept between visits.

It is kept in the user's own folder and not in the runs', which have one writer: the trainer. A damaged file, or one of
another version, yields what is readable and defaults for the rest.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from core.util.atomic import write_atomic
from core.util.files import read_small
from core.util.paths import state_folder
from tui.shell.settings import convert_leniently

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
