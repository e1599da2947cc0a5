"""Framed panels: the title in the upper border, the panel's own keys at the right of the lower one.

A panel is any widget with the class ``panel``; the frame of the one with the focus is bright. Where panels share a
space, `PaneTabs` with ``framed=True`` stands in for the upper border, and the panel has the class ``-below-tabs``.
"""

from collections.abc import Iterable
from typing import Any

from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from tui.shell.base import BaseApp


def key_of(screen: Screen[Any], binding_id: str) -> str:
    """The key of one of a screen's bindings, as remapped; empty for an unknown id."""
    assert isinstance(screen.app, BaseApp)
    bindings = (binding for keys in screen._bindings.key_to_bindings.values() for binding in keys)
    return next((screen.app.get_key_display(binding) for binding in bindings if binding.id == binding_id), "")


def frame(panel: Widget, title: str, keys: Iterable[tuple[str, str]] = (), *, note: str = "") -> None:
    """Set a panel's title and its lower border.

    Args:
        keys: keys and what they do.
        note: what the panel shows, before the keys.
    """
    hints = [Content.assemble((key, "bold $footer-key-foreground"), f" {what}") for key, what in keys if key]
    lower = Content("  ").join([*([Content(note)] if note else []), *hints])
    for name, text in (("border_title", Content(title)), ("border_subtitle", lower)):
        if getattr(panel, f"_{name}") != text:  # setting it draws the panel anew
            setattr(panel, name, text)
