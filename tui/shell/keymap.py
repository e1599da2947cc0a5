"""The key map: every binding by its id, and what the settings make of it.

Ids are ``SCREEN.ACTION``. Those of ``app`` and ``mode`` work on every screen.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode

from tui.shell.settings import SettingsError

PLACES = {
    "tui.app": ("GenreApp",),
    "tui.runs.screen": ("RunsScreen",),
    "tui.runs.table": ("RunTable",),
    "tui.new_run.screen": ("NewRunScreen",),
    "tui.watch.screen": ("WatchScreen",),
    "tui.compare.screen": ("CompareScreen",),
    "tui.classify.screen": ("ClassifyScreen",),
    "tui.listen.screen": ("ListenScreen",),
}
"""Where the bindings that a user may change are defined."""
EVERYWHERE = {"app", "mode"}


def all_bindings() -> dict[str, tuple[str, str]]:
    """Binding id → (default key, what it does). Imports every screen."""
    found: dict[str, tuple[str, str]] = {}
    for module, names in PLACES.items():
        for name in names:
            for binding in own_bindings(getattr(import_module(module), name)):
                found[binding.id or ""] = (binding.key, binding.tooltip or binding.description)
    return found


def own_bindings(owner: type[DOMNode]) -> Iterator[Binding]:
    """The bindings that a class defines and that the key map can change."""
    for binding in owner.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            yield binding


def check_keys(keys: Mapping[str, str]) -> None:
    """Refuse a key map that names no binding or gives one key to two bindings of a screen.

    Raises:
        SettingsError: the sentence names the binding.
    """
    if not keys:
        return
    known = all_bindings()
    for name in keys:
        if name not in known:
            raise SettingsError(f"There is no key binding {name!r}; `genre-tui config` lists them all.")
    taken: dict[str, list[str]] = {}
    for name, (default, _) in known.items():
        for key in keys.get(name, default).split(","):
            taken.setdefault(key.strip(), []).append(name)
    for key, names in taken.items():
        for name in names:
            for other in names:
                if name < other and _meet(name, other) and (name in keys or other in keys):
                    raise SettingsError(f"The key {key!r} is given to both {name} and {other}; give one another key.")


def _meet(name: str, other: str) -> bool:
    places = {name.partition(".")[0], other.partition(".")[0]}
    return len(places) == 1 or bool(places & EVERYWHERE)
