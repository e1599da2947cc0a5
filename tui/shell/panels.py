"""Screens that keep up with runs, and framed panels with their keys: maximise the focused one, jump to any, focus one.

A `LiveScreen` polls while it can be seen, which includes behind a dialog. A panel is any widget with the class
``panel``: its number and title are in the upper border, its own keys, which can be clicked, at the right of the lower
one, and the frame of the one with the focus is bright. Where panels share a space, an `UpperBorder` stands in for the
upper border, and the panel has the class ``-below-tabs``."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.style import Style as RichStyle
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode
from textual.geometry import Offset, Region
from textual.keys import _character_to_key
from textual.reactive import reactive
from textual.renderables.blank import Blank
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Static

from tui.shell.base import BaseApp


class LiveScreen(Screen[None]):
    """A screen whose polls pause while it is out of view."""

    def __init__(self) -> None:
        super().__init__()
        self._polls: list[Callable[[], object]] = []

    def poll(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call ``callback`` periodically while this screen is in view, and at once when it returns."""

        def call_in_view() -> None:
            if self.is_in_view:
                callback()

        self._polls.append(callback)
        self.set_interval(seconds, call_in_view)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        # A third of the time that a switch takes. A new theme, the only reason here, restyles screens by itself.
        event.refresh_styles = False
        for callback in self._polls:
            callback()

    @property
    def is_in_view(self) -> bool:
        """Whether this is the top screen, or has nothing but dialogs in front of it."""
        stack = self.app.screen_stack
        return self in stack and all(screen.is_modal for screen in stack[stack.index(self) + 1 :])

    def _compositor_refresh(self) -> None:
        """Behind a dialog, draw only what has changed.

        Textual also marks the whole screen behind as dirty, which makes its next update draw the same regions again.
        Once such a region is the whole screen, every later change sends the whole screen to the terminal.
        """
        if self.app.screen is self:
            super()._compositor_refresh()
            return
        regions = self._compositor._dirty_regions
        if regions and self.is_in_view:
            self.app.screen.refresh(*regions)
        regions.clear()
        self._dirty_widgets.clear()


class Dialog(ModalScreen[ScreenResultType]):
    """A dialog over a screen, which is drawn as it is: a tint would send all of it, and take longer than the dialog."""

    HORIZONTAL_BREAKPOINTS = [(0, "-full"), (90, "-partly")]  # noqa: RUF012 - not a ClassVar of Screen

    def __init__(self) -> None:
        super().__init__()
        self._framed: list[DOMNode] = []
        """What has a bright frame behind, but not while the dialog is in front."""
        self._has_size = False
        """Before it has, it is laid out once, and what it would draw is the screen behind."""

    def on_mount(self) -> None:
        behind = self._behind()
        focused = behind.focused if behind is not None else None
        for panel in focused.ancestors_with_self if focused is not None else ():
            if panel.has_class("panel") or panel.has_class("framed"):
                self._framed.append(panel.add_class("-behind"))

    def on_unmount(self) -> None:
        for panel in self._framed:
            panel.remove_class("-behind")

    def _compositor_refresh(self) -> None:
        if self._has_size:
            super()._compositor_refresh()

    def on_resize(self) -> None:
        self._has_size = True

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        event.refresh_styles = False  # it has just got them

    def render_lines(self, crop: Region) -> list[Strip]:
        """The screen behind."""
        behind = self._behind()
        if behind is None or behind._compositor.size != self.size:  # it is resized after the dialog
            return super().render_lines(crop)
        lines = crop.line_range
        chops = behind._compositor._render_chops(Region(0, crop.y, behind.size.width, crop.height), lines.__contains__)
        return [Strip.join(chops[y].values()).crop(crop.x, crop.right) for y in lines]

    def render(self) -> RenderableType:
        return Blank(self.styles.background)  # type: ignore[return-value]

    def get_style_at(self, x: int, y: int) -> RichStyle:
        """Nothing behind the dialog can be clicked."""
        widget, _ = self.get_widget_at(x, y)
        return RichStyle.null() if widget is self else super().get_style_at(x, y)

    def _behind(self) -> Screen[Any] | None:
        stack = self.app.screen_stack
        at = stack.index(self) if self in stack else 0
        return stack[at - 1] if at else None


PANELS = Binding.Group("Panels")
LABELS = "123456789abcdefghijklmnopqrstuvwxyz"
NUMBERS = "¹²³⁴⁵⁶⁷⁸⁹"
"""As shown before the titles."""
# Most terminals send alt and a digit as ESC and the digit, which Textual takes for the character that the keys type on
# macOS, such as ¡ for 1. Its public API has no way to change that: a binding for the character would also act when
# someone types £ on a British keyboard, or ¡ and ª on a Spanish one. The table of the parser is changed here only; its
# values are members of an enumeration, like Textual's own `Keys`.
AltDigit = Enum("AltDigit", {f"ALT_{digit}": f"alt+{digit}" for digit in range(1, 10)})  # type: ignore[misc]
ANSI_SEQUENCES_KEYS.update({f"\x1b{key.value[-1]}": (key,) for key in AltDigit})  # type: ignore[attr-defined]
KEY_NAMES = {"enter": "enter", "space": "space", "esc": "escape", "←": "left", "→": "right", "↑": "up", "↓": "down"}
"""Displayed key → its name, where that is not the character itself."""


GAP, CORNERS = "  ", 6
"""Between the keys in a lower border, and the cells of its ends: ``╰─ `` and `` ─╯``."""


class UpperBorder(Widget):
    """Stands in for the upper border of the panel below it."""

    number = reactive("")
    """The panel's, as in `NUMBERS`."""


class PanelKeys(LiveScreen):
    """A screen whose panels have the class ``panel``."""

    ALLOW_IN_MAXIMIZED_VIEW = "ModeBar, KeyBar"
    BINDINGS: ClassVar = [
        Binding(
            "plus",
            "maximise",
            "maximise",
            key_display="+",
            show=False,
            id="panel.maximise",
            group=PANELS,
            tooltip="Give the focused panel the whole screen, and again all panels",
        ),
        Binding(
            "semicolon,f6",
            "jump",
            "jump",
            key_display="; f6",
            show=False,
            id="panel.jump",
            group=PANELS,
            tooltip="Jump to a panel or field by the label that it gets (f6 in fields, too)",
        ),
        Binding(
            "alt+1",
            "panel(1)",
            "panel",
            show=False,
            id="panel.number",
            group=PANELS,
            tooltip="Focus a panel by its number, alt+1 to alt+9",
        ),
        *(Binding(f"alt+{number}", f"panel({number})", show=False) for number in range(2, 10)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[Widget, str] = {}
        """Panel → its number, where there are several."""
        self.lower: dict[Widget, list[Content]] = {}
        """Panel → what its lower border shows where there is room: note and keys."""

    def on_mount(self) -> None:
        self.screen_layout_refresh_signal.subscribe(self, lambda _: self._label_panels())

    def _update_focus_styles(self, focused: Widget | None = None, blurred: Widget | None = None) -> None:
        """Restyle what the focus enters or leaves, and its children, where a rule of theirs has ``:focus-within``.

        Textual restyles all that is in the panel, even when the focus stays in it.
        """
        before, now = (set(widget.ancestors_with_self) if widget else set() for widget in (blurred, focused))
        parts = {part for node in before ^ now if isinstance(node, Widget) for part in (node, *node.children)}
        self.app.stylesheet.update_nodes([part for part in parts if part._has_focus_within], animate=True)

    def _label_panels(self) -> None:
        for panel, parts in self.lower.items():
            if panel.is_attached and panel.size:
                _set_border(panel, "border_subtitle", _fitting(parts, panel))
        self._number_panels()

    def _number_panels(self) -> None:
        """Number the panels in the order of the screen, as alt and a number focus them."""
        if self.maximized is not None:
            return
        panels = [panel for panel in self.query(".panel") if panel.size and _focusable_in(panel) is not None]
        panels.sort(key=lambda panel: (panel.region.y, panel.region.x))
        before = self.numbers
        self.numbers = dict(zip(panels, NUMBERS, strict=False)) if len(panels) > 1 else {}
        for panel in {*before, *self.numbers}:
            old, new = before.get(panel, ""), self.numbers.get(panel, "")
            if not panel.is_attached:
                continue
            if panel.has_class("-below-tabs"):
                for border in panel.siblings:
                    if isinstance(border, UpperBorder) and border.display:
                        border.number = new
            if old != new and isinstance(title := panel._border_title, Content):
                panel.border_title = Content(new) + title[len(old) :]

    def action_maximise(self) -> None:
        if self.maximized is not None:
            self.minimize()
            return
        focused = self.focused or next(iter(self.jump_targets()), None)
        if focused is None:
            return
        panel = next((node for node in focused.ancestors_with_self if node.has_class("panel")), None)
        if panel is not None and panel.has_class("-below-tabs"):
            panel = panel.parent  # its upper border is the row of tabs above it
        if isinstance(panel, Widget):
            self.maximized = panel

    def jump_targets(self) -> list[Widget]:
        """The widgets that can have the focus, in the order of the screen."""
        chain = [widget for widget in self.focus_chain if widget.size]
        return sorted(chain, key=lambda widget: (widget.region.y, widget.region.x))

    def action_jump(self) -> None:
        self.app.push_screen(JumpScreen(self.jump_targets()), self._focus)

    def action_panel(self, number: int) -> None:
        panel = next((panel for panel, shown in self.numbers.items() if shown == NUMBERS[number - 1]), None)
        if panel is not None and panel.is_attached:
            if self.maximized is not None:
                self.minimize()
            self._focus(_focusable_in(panel))

    def _focus(self, target: Widget | None) -> None:
        if target is not None:
            self.set_focus(target)


class JumpScreen(Dialog[Widget | None]):
    """A label over each target; its key focuses the target, any other closes."""

    DEFAULT_CSS = """
    JumpScreen { align: left top; }
    JumpScreen Static {
        position: absolute;
        width: 3;
        height: 1;
        background: $accent;
        color: $background;
        text-style: bold;
    }
    """

    def __init__(self, targets: Sequence[Widget]) -> None:
        super().__init__()
        self._targets = dict(zip(LABELS, targets, strict=False))

    def compose(self) -> ComposeResult:
        for label, target in self._targets.items():
            mark = Static(f" {label} ", markup=False)
            mark.styles.offset = Offset(target.region.x, target.region.y)
            yield mark

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.dismiss(self._targets.get(event.character or ""))

    def on_click(self) -> None:
        self.dismiss(None)


def key_of(screen: Screen[Any], binding_id: str) -> str:
    """The key of one of a screen's bindings, as remapped; empty for an unknown id."""
    assert isinstance(screen.app, BaseApp)
    bindings = (binding for keys in screen._bindings.key_to_bindings.values() for binding in keys)
    return next((screen.app.get_key_display(binding) for binding in bindings if binding.id == binding_id), "")


def frame(panel: Widget, title: str, keys: Iterable[tuple[str, str]] = (), *, note: str = "") -> None:
    """Set a panel's title and its lower border.

    Args:
        keys: keys and what they do. A click on one presses it.
        note: what the panel shows, before the keys.
    """
    screen = panel.screen if panel.is_attached else None
    number = screen.numbers.get(panel, "") if isinstance(screen, PanelKeys) else ""
    lower = [*([Content(note)] if note else []), *(_hint(key, what) for key, what in keys if key)]
    if isinstance(screen, PanelKeys):
        screen.lower[panel] = lower
    _set_border(panel, "border_title", Content(number + title))
    _set_border(panel, "border_subtitle", _fitting(lower, panel) if panel.size else Content(GAP).join(lower))


def _fitting(parts: Sequence[Content], panel: Widget) -> Content:
    """As many of ``parts`` as fit into the lower border, between its corners."""
    kept, room = 0, panel.outer_size.width - CORNERS + len(GAP)
    for part in parts:
        if (room := room - part.cell_length - len(GAP)) < 0:
            break
        kept += 1
    return Content(GAP).join(parts[:kept])


def _set_border(panel: Widget, name: str, text: Content) -> None:
    if getattr(panel, f"_{name}") != text:  # setting it redraws the panel
        setattr(panel, name, text)


def _hint(keys: str, what: str) -> Content:
    """``enter watch``; several keys for one thing, as in ``[ ] charts``, are clicked one by one."""
    shown = [Content.styled(key, "bold $footer-key-foreground").stylize(_pressing(key)) for key in keys.split()]
    if len(shown) > 1:
        return Content(" ").join(shown) + f" {what}"
    return shown[0] + Content(f" {what}").stylize(_pressing(keys))


def _pressing(key: str) -> Style:
    """What a click does: it presses the displayed ``key``."""
    name = KEY_NAMES.get(key) or (f"ctrl+{key[1:]}" if len(key) == 2 and key[0] == "^" else None)
    name = name or (_character_to_key(key) if len(key) == 1 else key)
    return Style.from_meta({"@click": f"app.press({name!r})"})


def _focusable_in(panel: Widget) -> Widget | None:
    """The panel, or the first widget in it, that can have the focus."""
    return next((widget for widget in (panel, *panel.query("*")) if widget.focusable and widget.size), None)
