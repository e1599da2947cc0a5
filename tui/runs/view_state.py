"""How a user last looked at the list of runs (columns, order, grouping), kept in the user's own folder."""

import contextlib

import msgspec

from core.util.atomic import write_atomic
from core.util.dirs import state_folder
from core.util.files import read_small
from tui.runs.columns import COLUMNS
from tui.shell.settings import convert_leniently

FILE = "runs-view.json"


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    sort: str = ""
    descending: bool = True
    columns: tuple[str, ...] = ()
    grouped: bool = False


def load(usual: RunsView) -> RunsView:
    """The kept view; ``usual`` where nothing is kept or it cannot be used."""
    view = usual
    with contextlib.suppress(OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        view, _ = convert_leniently(msgspec.json.decode(read_small(state_folder() / FILE)), RunsView)
    columns = tuple(key for key in COLUMNS if key in view.columns)
    sort = next(key for key in (view.sort, usual.sort, "started") if key in COLUMNS)
    return msgspec.structs.replace(view, columns=columns or usual.columns, sort=sort)


def save(view: RunsView) -> None:
    """Keep a view. If the folder is not writable, it lasts as long as the app."""
    with contextlib.suppress(OSError):
        state_folder().mkdir(parents=True, exist_ok=True)
        write_atomic(state_folder() / FILE, msgspec.json.encode(view))
