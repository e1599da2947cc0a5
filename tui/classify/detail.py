"""Details of one file: its prediction, a bar per genre, the spectrogram and the timeline."""

from typing import ClassVar

from textual.binding import Binding
from textual.content import Content

from core.inference.types import Prediction
from core.util.text import printable
from tui.classify.results import Sound
from tui.classify.timeline import timeline_lines, windows_at
from tui.shell.base import BaseApp
from tui.text.formatting import clock, percent
from tui.widgets.probability_bars import probability_bars
from tui.widgets.row_list import LinesView
from tui.widgets.spectrogram_view import cells_left_of, shading_of, spectrogram_with_axes

LEAST_SPECTROGRAM = 4
"""Rows below which there is no picture, but room for the bars."""
MOST_BARS = 12
NAME_LINES = 2


class SoundDetail(LinesView):
    """Left and right move along the windows; beyond an end the whole file is shown again."""

    app: BaseApp
    BINDING_GROUP_TITLE = "The sound"
    BINDINGS: ClassVar = [
        Binding("left", "window(-1)", "window before", show=False, key_display="←"),
        Binding("right", "window(1)", "next window", show=False, key_display="→"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sound: Sound | None = None
        self._window: int | None = None
        self._hint = self._model = ""

    def show_sound(self, sound: Sound | None, hint: str = "", model: str = "") -> None:
        """
        Args:
            hint: stands there while there is no sound.
            model: the one that is loaded; a prediction by another one is marked.
        """
        if sound is not self._sound:
            self._window = None
        self._sound, self._hint, self._model = sound, hint, model
        self.draw()

    def draw(self) -> None:
        """Also after a change of the theme."""
        self.show(self._content())

    def on_resize(self) -> None:
        super().on_resize()
        self.draw()

    def action_window(self, by: int) -> None:
        if self._sound is not None and self._sound.prediction is not None:
            self._window = windows_at(self._sound.prediction, self._window, by)
            self.draw()

    @property
    def window_start_s(self) -> float:
        """Where the window under the cursor begins; 0 for the whole file."""
        if self._window is None or self._sound is None or self._sound.prediction is None:
            return 0.0
        return self._sound.prediction.segments[self._window].start_s

    def _content(self) -> list[Content]:
        sound, width = self._sound, self.row_width
        if sound is None:
            return [Content(line) for line in self._hint.splitlines()]
        name = Content.styled(printable(sound.path.name), "bold").wrap(max(10, width))[:NAME_LINES]
        if sound.unreadable is not None:
            return [*name, *Content.assemble(("✗ ", "$bad"), sound.unreadable.error).wrap(max(10, width))]
        if sound.prediction is None:
            return [*name, Content.styled(sound.state, "$text-muted")]
        return [*name, *self._prediction(sound, sound.prediction, width, self.size.height - len(name))]

    def _prediction(self, sound: Sound, prediction: Prediction, width: int, rows: int) -> list[Content]:
        window = None if self._window is None else prediction.segments[self._window]
        seen = window or prediction
        lines = [
            _headline(prediction, self._model, width),
            *([Content.styled(prediction.warning, "$warn")] if prediction.warning else []),
        ]
        room = rows - len(lines)
        below = 2 if prediction.segments else 0  # the timeline
        bars = min(len(seen.probabilities), MOST_BARS, max(3, room - below - LEAST_SPECTROGRAM - 2))
        picture = room - bars - below - 2
        drawn: list[Content] = []
        left = 0
        if sound.image is not None and picture >= LEAST_SPECTROGRAM:
            drawn = spectrogram_with_axes(sound.image, width, picture, self.app.palette, shading_of(self.app))
            left = cells_left_of(sound.image, width, picture)
        timeline: list[Content] = []
        if prediction.segments:  # under the spectrogram, on the same time axis
            timeline = timeline_lines(prediction, self._window, width - left, self.app.palette.series)
            timeline = [" " * left + line for line in timeline]
        gap = [Content("")] if room > bars + len(drawn) + len(timeline) else []
        bar_lines = probability_bars(seen.probabilities, width, bars, sure=not seen.uncertain)
        return [*lines, *gap, *bar_lines, *gap, *drawn, *timeline]


def _headline(prediction: Prediction, model: str, width: int) -> Content:
    """``jazz 81% · 00:30``, or what it may be and why that is not sure, with what else fits into ``width``."""
    tail = f" · {clock(prediction.duration_s)}"
    if prediction.model != model:
        tail += f" · by {prediction.model}"
    if not prediction.uncertain:
        return Content.assemble((f"{prediction.genre} {percent(prediction.probability, 0)}", "bold $accent"), tail)
    top = ", ".join(f"{genre} {percent(p, 0)}" for genre, p in prediction.top(3))
    line = Content.assemble(("uncertain", "bold $warn"), f" ({prediction.reason}): {top}")
    return line if line.cell_length + len(tail) > width else Content.assemble(line, (tail, "$text-muted"))
