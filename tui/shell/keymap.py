"""The key map: every binding by its id, and the changes that the settings make.

Ids are ``SCREEN.ACTION``. Those of ``app`` and ``mode`` work on every screen.
"""

from collections.abc import Iterable, Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode

from tui.shell.settings import SettingsError

EVERYWHERE = {"app", "mode"}


def bindings_of(owners: Iterable[type[DOMNode]]) -> dict[str, tuple[str, str]]:
    """Binding id → (default key, description) of the bindings that these classes define."""
    return {
        binding.id or "": (binding.key, binding.tooltip or binding.description)
        for owner in owners
        for binding in own_bindings(owner)
    }


def own_bindings(owner: type[DOMNode]) -> Iterator[Binding]:
    """The bindings that a class defines and that the key map can change."""
    for binding in owner.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            yield binding


def check_keys(keys: Mapping[str, str], known: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a key map that names an unknown binding or gives one key to two bindings of a screen.

    Args:
        keys: binding id → key, from the settings.
        known: all bindings, from `bindings_of`.

    Raises:
        SettingsError: names the binding.
    """
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
                if name < other and _share_a_screen(name, other) and (name in keys or other in keys):
                    raise SettingsError(f"The key {key!r} is given to both {name} and {other}; change one of them.")


def _share_a_screen(name: str, other: str) -> bool:
    screens = {name.partition(".")[0], other.partition(".")[0]}
    return len(screens) == 1 or bool(screens & EVERYWHERE)
