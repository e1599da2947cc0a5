"""The results table: one row per file with its prediction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from core.inference.types import Prediction, Unreadable
from core.util.text import printable
from tui.text.cells import fitted
from tui.text.formatting import DASH, clock, percent
from tui.widgets.row_list import RowList
from tui.widgets.spectrogram_view import Image

State = Literal["waiting", "classified", "unreadable"]
STALE = "~"
"""Before a genre that another model has predicted."""


@dataclass(eq=False)
class Sound:
    """A file, and as much as is known about it."""

    path: Path
    state: State = "waiting"
    prediction: Prediction | None = None
    unreadable: Unreadable | None = None
    image: Image | None = None
    model: str = ""
    """The file of the model that the prediction is by."""
    is_stale: bool = False
    """Whether another model is in use now."""

    @property
    def verdict(self) -> str:
        """The genre, ``uncertain``, or the state."""
        if self.prediction is not None:
            return "uncertain" if self.prediction.uncertain else self.prediction.genre
        return self.state


def _probability(sound: Sound) -> float:
    return sound.prediction.probability if sound.prediction is not None else -1.0


ORDERS: dict[str, Callable[[Sound], str | float]] = {
    "given": lambda sound: 0.0,
    "file": lambda sound: sound.path.name.casefold(),
    "genre": lambda sound: sound.verdict,
    "confidence": _probability,
    "length": lambda sound: sound.prediction.duration_s if sound.prediction is not None else -1.0,
}
"""Order → key. Sorting is stable: within equals the order of giving stays."""


class ResultList(RowList):
    """One row per file; the one under the cursor is shown in full beside it."""

    BINDING_GROUP_TITLE = "The results"
    BINDINGS: ClassVar = [
        Binding("delete,d", "drop", "drop", show=False, id="classify.drop", tooltip="Take the file off the list")
    ]
    has_cursor = True

    class Moved(Message):
        """Another file is under the cursor, or what is known about it has changed."""

    class Resized(Message):
        """The columns lie elsewhere now, and so must their titles."""

    class Dropped(Message):
        def __init__(self, sound: Sound) -> None:
            super().__init__()
            self.sound = sound

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.sounds: Sequence[Sound] = ()
        self.order = "given"
        self.descending = False

    @property
    def current(self) -> Sound | None:
        return self.sounds[self.cursor] if self.cursor < len(self.sounds) else None

    def show(self, sounds: Sequence[Sound]) -> None:
        """Show these in the order that is set; the cursor stays on its file."""
        on = self.current
        self.sounds = sorted(sounds, key=ORDERS[self.order], reverse=self.descending)
        if on is not None and on in self.sounds:
            self.cursor = self.sounds.index(on)
        self.rows_changed()
        self.post_message(self.Moved())

    def go_to(self, sound: Sound) -> None:
        if sound in self.sounds:
            self._move_cursor(self.sounds.index(sound))

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Resized())

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self.sounds)

    def row(self, index: int, width: int) -> Content:
        sound = self.sounds[index]
        verdict, style, figures = sound.verdict, "$text-muted", ""
        if sound.prediction is not None:
            style = "$text-muted" if sound.is_stale else "$warn" if sound.prediction.uncertain else ""
            verdict = f"{STALE} {verdict}" if sound.is_stale else verdict
            figures = f"{percent(sound.prediction.probability, 0):>11} {clock(sound.prediction.duration_s):>7}"
        elif sound.unreadable is not None:
            verdict, style, figures = "✗ unreadable", "$bad", f"{DASH:>11} {DASH:>7}"
        room = max(8, width - 14 - 20)
        name = fitted(printable(sound.path.name), room)
        return Content.assemble(f"{name} ", (fitted(verdict, 13), style), f" {figures:<19}")

    def header(self) -> Content:
        """Titles over the columns; the one that is sorted by has an arrow."""
        room = max(8, self.row_width - 14 - 20)
        arrow = "▼" if self.descending else "▲"
        titles = {name: f"{name}{arrow if name == self.order else ''}" for name in ORDERS}
        text = f"  {titles['file']:<{room}} {titles['genre']:<13} {titles['confidence']:>11} {titles['length']:>7}"
        return Content.styled(text, "$text-muted")

    def action_drop(self) -> None:
        if (sound := self.current) is not None:
            self.post_message(self.Dropped(sound))

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())
