"""A user's changes to the view of one run, kept between visits.

They are kept in the user's own folder and not in the run's, which has one writer: the trainer. A damaged file, or one
of another version, yields what is readable and defaults for the rest.
"""

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from core.util.atomic import write_atomic
from core.util.dirs import state_folder
from core.util.files import read_small
from tui.shell.settings import convert_leniently


class WatchView(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a run's view; None means as in the settings."""

    smoothing: float | None = None
    log_loss: bool | None = None
    steps: bool = False
    pane: str = ""


def load(run: Path) -> WatchView:
    """The kept view of the run in folder ``run``."""
    try:
        plain = msgspec.json.decode(read_small(_file(run)))
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return WatchView()
    view, _ = convert_leniently(plain, WatchView)
    if view.smoothing is not None and not 0 <= view.smoothing < 1:
        return msgspec.structs.replace(view, smoothing=None)
    return view


def save(run: Path, view: WatchView) -> None:
    """Keep a view. If the folder is not writable, the view lasts as long as the app."""
    with contextlib.suppress(OSError):
        file = _file(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, msgspec.json.encode(view))


def _file(run: Path) -> Path:
    digest = hashlib.sha1(os.fsencode(run.resolve())).hexdigest()
    return state_folder() / "views" / f"{run.name[:100]}-{digest[:8]}.json"
