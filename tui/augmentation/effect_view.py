"""One effect of an augmentation: its name, probability and range, and the spectrogram of a clip with it."""

from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from core.features.settings import EFFECTS, AugmentationSettings, range_of
from tui.shell.base import BaseApp
from tui.widgets.spectrogram_view import Image, shading_of, spectrogram_with_axes

NARROWEST, LOWEST = 36, 5
"""Minimum cells and rows of a spectrogram with its caption."""
MOST_COLUMNS = 4


class EffectPicture(Widget, can_focus=True):
    """A caption line and the spectrogram below it."""

    app: BaseApp

    def __init__(self, effect: str, settings: AugmentationSettings) -> None:
        super().__init__()
        self.effect = effect
        self.playing = False
        self._settings = settings
        self._image: Image | None = None

    def show(self, image: Image) -> None:
        self._image = image
        self.refresh()

    def mark_playing(self, playing: bool) -> None:
        if playing != self.playing:
            self.playing = playing
            self.refresh()

    def about(self) -> str:
        """``50%, ±2 semitones``."""
        if self.effect not in EFFECTS:
            return "effects together" if self.effect == "all" else "unchanged"
        probability = getattr(self._settings, self.effect)
        text = f"{probability * 100:g}%, {range_of(self.effect, self._settings)}"
        return text.replace("±", "+/-") if self.app.ascii else text

    def render(self) -> Content:
        width, height = self.size
        caption = Content.assemble(
            ("▸ " if self.has_focus else "  ", "$footer-key-foreground"),
            ("♪ " if self.playing else "", "$good"),
            (self.effect.replace("_", " "), "bold"),
            (f" {self.about()}", "$text-muted"),
        ).truncate(width, ellipsis=True)
        if self._image is None or height < 2:
            return caption
        lines = spectrogram_with_axes(self._image, width, height - 1, self.app.palette, shading_of(self.app))
        return Content("\n").join([caption, *lines])

    def on_resize(self) -> None:
        if self.has_focus:
            self.scroll_visible(animate=False)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class EffectGrid(Container):
    """As many columns of spectrograms as fit, filling the height; scrolls if they would be too low.

    ``columns`` is how many there are now.
    """

    columns = 1

    def on_resize(self) -> None:
        pictures = len(self.query(EffectPicture))
        self.columns = max(1, min(MOST_COLUMNS, pictures, (self.size.width + 2) // (NARROWEST + 2)))
        rows = -(-pictures // self.columns)
        self.styles.grid_size_columns = self.columns
        self.styles.grid_rows = str(max(min(LOWEST, self.size.height), self.size.height // rows, 1))
