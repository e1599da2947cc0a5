"""Screens that keep up with runs: polling while they can be seen, which includes behind a dialog."""

from collections.abc import Callable

from textual import events
from textual.screen import Screen


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
