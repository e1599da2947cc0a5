"""What screens and widgets need from the app: settings, colours, size, key display, navigation.

`tui.app.GenreApp` implements it. Widgets import this module and never ``tui.app``, so imports run downwards.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.binding import Binding
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.signal import Signal

from tui.shell.frame import Changes, Frame
from tui.shell.graphics import Pictures
from tui.shell.keymap import OrderedKeysApp, own_bindings
from tui.shell.settings import Settings
from tui.shell.themes import Palette, palette_for


class BaseApp(OrderedKeysApp[None]):
    """
    Attributes:
        runs_dir: folder of the runs; need not exist yet.
        settings: the user's settings.
        ascii: draw with ASCII only.
        pictures: spectrograms as pixels, in terminals that can.
        pictures_changed: published when pictures have to be redrawn.
    """

    def __init__(self, runs_dir: Path, *, settings: Settings, ascii: bool) -> None:
        self.runs_dir = runs_dir
        self.settings = settings
        self.ascii = ascii
        super().__init__()
        self.pictures = Pictures(self.write_terminal)
        self.pictures_changed: Signal[None] = Signal(self, "pictures changed")
        self.frame = Frame()

    def write_terminal(self, text: str) -> None:
        """Write sequences for the terminal itself, where there is one."""
        if self._driver is not None and not self._driver.is_headless:
            self._driver.write(text)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            super()._display(screen, Changes(self.frame, renderable))  # type: ignore[arg-type]
        else:
            super()._display(screen, renderable)

    def on_resize(self) -> None:
        self.frame.forget()

    def redraw(self) -> None:
        """Send the whole screen again: other programs may have written to the terminal."""
        self.frame.forget()
        self.refresh(layout=True)

    # Navigation, implemented by GenreApp.

    async def show_mode(self, mode: str) -> Screen[None]:
        """Switch to a mode; its screen is mounted when this returns."""
        raise NotImplementedError

    async def watch_run(self, run: Path) -> None:
        """Show a run's folder in the Watch mode."""
        raise NotImplementedError

    async def compare_runs(self, runs: Sequence[Path]) -> None:
        """Push the Compare screen for two to eight run folders."""
        raise NotImplementedError

    async def classify_paths(self, paths: Sequence[Path], model: Path | None = None) -> None:
        """Classify files or folders in the Classify mode, with ``model`` (a model file or a run folder) if given."""
        raise NotImplementedError

    async def leave_opened(self) -> bool:
        """Go back to the mode from which `classify_paths` was called; False if that was not what opened Classify."""
        raise NotImplementedError

    @property
    def width_class(self) -> str:
        width = self.size.width
        return "narrow" if width < 100 else "normal" if width < 160 else "wide"

    @property
    def height_class(self) -> str:
        height = self.size.height
        return "tiny" if height < 14 else "short" if height < 32 else "tall"

    @property
    def palette(self) -> Palette:
        return palette_for(self.current_theme)

    def get_key_display(self, binding: Binding) -> str:
        """Words for keys whose symbols few terminal fonts have."""
        return {"enter": "enter", "space": "space", "escape": "esc"}.get(binding.key) or super().get_key_display(
            binding
        )

    def key_for(self, binding_id: str) -> str:
        """The key of one of the app's own bindings, as remapped."""
        default = next(binding for binding in own_bindings(type(self)) if binding.id == binding_id)
        key = self.settings.keys.get(binding_id, default.key).split(",")[0]
        return self.get_key_display(default.with_key(key))

    def action_press(self, key: str) -> None:
        """Press a key, as a click on it does; sent by the app, for it would not bubble to what sends it."""
        self.call_later(self.simulate_key, key)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """As in Textual, but always plain text: names and paths may contain brackets."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)
