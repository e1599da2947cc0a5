"""What the four modes share: the bar of modes on top, the keys below, and a polling that rests with the screen."""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.timer import Timer

from tui.shell.base import BaseApp
from tui.shell.key_bar import KeyBar
from tui.shell.mode_bar import ModeBar


class ModeScreen(Screen[None]):
    """One mode. A subclass yields its widgets in ``compose_body`` and names its mode."""

    MODE: ClassVar[str]
    HELP: ClassVar[str] = ""
    """What the screen is for, in a sentence or two: the head of its help."""

    app: BaseApp

    def __init__(self) -> None:
        super().__init__()
        self._polls: list[tuple[Timer, Callable[[], object]]] = []

    def compose(self) -> ComposeResult:
        yield ModeBar(self.MODE)
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        yield from ()

    def poll(self, seconds: float, look: Callable[[], object]) -> None:
        """Call ``look`` every so many seconds while this screen is the one in view, and at once when it comes back."""
        self._polls.append((self.set_interval(seconds, look), look))

    def on_screen_suspend(self) -> None:
        for timer, _ in self._polls:
            timer.pause()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.set_size_classes()
        for timer, look in self._polls:
            timer.reset()
            timer.resume()
            look()

    def on_resize(self) -> None:
        self.set_size_classes()

    def set_size_classes(self) -> None:
        """``-narrow``, ``-normal`` or ``-wide``, and ``-tiny``, ``-short`` or ``-tall``: see ``tui.app``."""
        for name in ("-narrow", "-normal", "-wide"):
            self.set_class(name == f"-{self.app.width_class}", name)
        for name in ("-tiny", "-short", "-tall"):
            self.set_class(name == f"-{self.app.height_class}", name)
