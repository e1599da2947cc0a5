"""The key map: every binding by its id, and the changes that the settings make.

Ids are ``SCREEN.ACTION``. Those of ``app`` and ``mode`` work on every screen, those of ``list`` in every list.

A letter means the same on every screen, and `tests/tui/shell/test_keys.py` has them all: p plays or pauses (a run, a
sound), r repeats (resumes, classifies again), s stops, n is new, e extends or edits, m chooses the model, w writes
files, c compares, d deletes, x excludes, u undoes, y copies, o opens the options of charts.
"""

from collections.abc import Iterable, Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode

EVERYWHERE = {"app", "mode", "list", "panel"}
RENAMED = {
    f"{screen}.{before}": f"{screen}.options"
    for screen in ("watch", "compare")
    for before in ("outliers", "smooth", "steps")
}
"""Ids of earlier versions, which settings files may still contain, and what does their work now."""


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


def usable_keys(keys: Mapping[str, str], known: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """The part of a key map that can be used, and one sentence for each entry that cannot.

    An entry cannot be used if its binding is unknown or if a screen would have the key twice; the others hold.

    Args:
        keys: binding id → key, from the settings. Ids of earlier versions are understood.
        known: all bindings, from `bindings_of`.
    """
    mistakes = [
        f"There is no key binding {name!r}; `genre-tui config` lists them all."
        for name in keys
        if name not in known and name not in RENAMED
    ]
    wanted = {RENAMED[name]: key for name, key in reversed(list(keys.items())) if name in RENAMED}
    wanted |= {name: key for name, key in keys.items() if name in known}
    used = dict(wanted)
    for name in (name for name in wanted if wanted[name] != known[name][0]):
        in_effect = {other: used.get(other, default) for other, (default, _) in known.items()}
        for key in map(str.strip, wanted[name].split(",")):
            others = [
                other
                for other, taken in in_effect.items()
                if other != name and key in map(str.strip, taken.split(",")) and _share_a_screen(name, other)
            ]
            if others and name in used:
                mistakes.append(f"The key {key!r} is given to both {name} and {others[0]}; change one of them.")
                del used[name]
    return used, mistakes


def _share_a_screen(name: str, other: str) -> bool:
    screens = {name.partition(".")[0], other.partition(".")[0]}
    return len(screens) == 1 or bool(screens & EVERYWHERE)
