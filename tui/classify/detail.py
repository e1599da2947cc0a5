"""Details of one file: its prediction, a bar per genre, the spectrogram, and the timeline with its cursor."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from core.inference.types import MergedSegment, Prediction
from core.util.text import printable
from tui.classify.results import Sound
from tui.formatting import beginning, clock, fitted, percent, shortened, widest
from tui.shell.base import BaseApp
from tui.widgets.row_list import LinesView
from tui.widgets.spectrogram_view import cells_left_of, picture_lines, shading_of, spectrogram_with_axes
from tui.widgets.text import probability_bars

UNCERTAIN = "?"


def timeline_lines(
    prediction: Prediction, cursor: int | None, width: int, colours: Sequence[str], playing_s: float | None = None
) -> list[Content]:
    """Two lines: the stretches, each genre in a colour of its own, and the window under the cursor with the times.

    While the sound plays, its position stands there instead of the window.
    """
    colour_of = dict(zip(prediction.probabilities, cycle(colours), strict=False))
    length = max(prediction.duration_s, 0.001)
    stretches = [
        (round(s.start_s / length * width), round(min(1.0, s.end_s / length) * width), s) for s in prediction.stretches
    ]
    line = Content("")
    at = 0
    for begin, end, stretch in stretches:
        begin = max(at, min(begin, width))
        end = min(max(begin, end), width)
        line = Content.assemble(line, " " * (begin - at), _stretch(stretch, end - begin, colour_of))
        at = end
    pointer = _pointer(prediction, cursor, length, width) if playing_s is None else _position(playing_s, length, width)
    return [line, pointer]


def _stretch(stretch: MergedSegment, cells: int, colour_of: Mapping[str, str]) -> Content:
    """A bar with its genre's name as far as that fits: ``▌blues━━━━``."""
    if cells <= 0:
        return Content("")
    name = stretch.genre or UNCERTAIN
    inner = cells - 1
    text = shortened(name, inner) if cell_len(name) <= inner or inner >= 4 else ""
    style = colour_of.get(stretch.genre or "", "$text-muted")
    return Content.assemble(
        ("▌", style), (text, ""), (("━" if stretch.genre else "╌") * (inner - cell_len(text)), style)
    )


def _pointer(prediction: Prediction, cursor: int | None, length: float, width: int) -> Content:
    end = clock(length)
    if cursor is None or not prediction.segments:
        return Content.styled(f"{clock(0)}{end:>{max(1, width - len(clock(0)))}}", "$text-muted")
    segment = prediction.segments[cursor]
    begin = min(width - 1, int(segment.start_s / length * width))
    cells = max(1, round((segment.end_s - segment.start_s) / length * width))
    best = max(segment.probabilities.values())
    words = f"{clock(segment.start_s)}–{clock(segment.end_s)} "
    words += (segment.reason or "uncertain") if segment.uncertain else f"{segment.genre} {percent(best, 0)}"
    mark = "▲" * min(cells, width - begin)
    room = width - begin - len(mark)
    if cell_len(words) + 1 <= room:
        return Content.assemble(" " * begin, (mark, "bold $accent"), f" {words}")
    return Content.assemble(
        f"{fitted(beginning(words, begin - 1), begin - 1, right=True)} " if begin else "", (mark, "bold $accent")
    )


def _position(playing_s: float, length: float, width: int) -> Content:
    time = clock(playing_s)
    before = min(int(playing_s / length * width), width - 1)
    text = f"▶ {time}" if before + 2 + len(time) <= width else f"{time} ▶"
    return Content.styled(f"{' ' * (before if text[0] == '▶' else max(0, before - 1 - len(time)))}{text}", "$accent")


def windows_at(prediction: Prediction, cursor: int | None, by: int) -> int | None:
    """The cursor moved by ``by`` windows; beyond an end it leaves the windows, and stands for the whole file."""
    count = len(prediction.segments)
    if not count:
        return None
    if cursor is None:
        return 0 if by > 0 else count - 1
    moved = cursor + by
    return moved if 0 <= moved < count else None


LEAST_SPECTROGRAM = 4
"""Rows below which there is no spectrogram."""
WITH_AXES = 6
"""Rows of the spectrogram with axes; further rows go to the bars."""
MOST_BARS = 12
NEAREST_IN_ROWS = ((26, 5), (19, 3))
"""Rows, and how many of the nearest training clips have room in them beside the spectrogram."""
GENRE_CELLS = 20
NAME_LINES = 2
SEEK_SECONDS = 5.0


class SoundDetail(LinesView):
    """Left and right seek while the sound plays, otherwise move along its windows.

    Beyond an end of the windows the whole file is shown again.
    """

    app: BaseApp
    BINDING_GROUP_TITLE = "The sound"
    BINDINGS: ClassVar = [
        Binding("left", "window(-1)", "previous window", show=False, key_display="←"),
        Binding("right", "window(1)", "next window", show=False, key_display="→"),
    ]

    class Sought(Message):
        def __init__(self, by_s: float) -> None:
            super().__init__()
            self.by_s = by_s

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sound: Sound | None = None
        self._window: int | None = None
        self._plays = False
        self._position_s: float | None = None
        self._hint = self._model = ""

    def on_mount(self) -> None:
        self.app.pictures_changed.subscribe(self, lambda _: self.draw())

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

    def show_playing(self, position_s: float | None, *, is_this: bool) -> None:
        """
        Args:
            position_s: the position that is heard, in seconds; None while nothing plays.
            is_this: whether the sound that is shown plays, and not another one.
        """
        shown = position_s if is_this else None
        changed = shown != self._position_s
        self._plays, self._position_s = position_s is not None, shown
        if changed:
            self.draw()

    def draw(self) -> None:
        """Also after a change of the theme."""
        self.show(self._content())

    def on_resize(self) -> None:
        super().on_resize()
        self.draw()

    def action_window(self, by: int) -> None:
        if self._plays:
            self.post_message(self.Sought(by * SEEK_SECONDS))
        elif self._sound is not None and self._sound.prediction is not None:
            self._window = windows_at(self._sound.prediction, self._window, by)
            self.draw()

    @property
    def window_start_s(self) -> float:
        """Start of the window under the cursor in seconds; 0 for the whole file."""
        if self._window is None or self._sound is None or self._sound.prediction is None:
            return 0.0
        return self._sound.prediction.segments[self._window].start_s

    def _content(self) -> list[Content]:
        sound, width = self._sound, self.row_width
        if sound is None:
            return [part for line in self._hint.splitlines() for part in Content(line).wrap(max(10, width))]
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
            *_headline(prediction, self._model, width).wrap(max(10, width)),
            *(Content.styled(prediction.warning, "$warn").wrap(max(10, width)) if prediction.warning else []),
        ]
        near = _nearest_lines(prediction, next((count for least, count in NEAREST_IN_ROWS if rows >= least), 0), width)
        room = rows - len(lines) - len(near)
        below = 2 if prediction.segments else 0  # the timeline
        bars = min(len(seen.probabilities), MOST_BARS, max(3, room - below - WITH_AXES - 2))
        picture = room - bars - below - 2
        drawn: list[Content] = []
        left = 0
        if sound.image is not None and picture >= LEAST_SPECTROGRAM:
            shown = partial(picture_lines, self.app, type(self.screen).__name__, sound.image)
            palette, shading = self.app.palette, shading_of(self.app)
            drawn = spectrogram_with_axes(sound.image, width, picture, palette, shading, draw=shown)
            left = cells_left_of(sound.image, width, picture)
        timeline: list[Content] = []
        if prediction.segments:  # under the spectrogram, on the same time axis
            timeline = timeline_lines(prediction, self._window, width - left, self.app.palette.series, self._position_s)
            timeline = [" " * left + line for line in timeline]
        gap = [Content("")] if room > bars + len(drawn) + len(timeline) else []
        bar_lines = probability_bars(seen.probabilities, width, bars, sure=not seen.uncertain)
        return [*lines, *gap, *bar_lines, *near, *gap, *drawn, *timeline]


def _nearest_lines(prediction: Prediction, count: int, width: int) -> list[Content]:
    clips = prediction.nearest[:count]
    if not clips:
        return []
    genres = min(GENRE_CELLS, widest(clip.genre for clip in clips))
    names = max(10, width - genres - 3)
    title = Content.styled("nearest training clips", "$text-muted")
    return [title, *(Content(f"  {fitted(clip.genre, genres)} {shortened(clip.name, names)}") for clip in clips)]


def _headline(prediction: Prediction, model: str, width: int) -> Content:
    """``jazz 81% · 00:30``, or the likeliest genre and why it is uncertain, with what fits into ``width``."""
    tail = f" · {clock(prediction.duration_s)}"
    if prediction.model != model:
        tail += f" · by {prediction.model}"
    if not prediction.uncertain:
        return Content.assemble((f"{prediction.genre} {percent(prediction.probability, 0)}", "bold $accent"), tail)
    top = ", ".join(f"{genre} {percent(p, 0)}" for genre, p in prediction.top(3))
    line = Content.assemble(("uncertain", "bold $warn"), f" ({prediction.reason}): {top}")
    return line if line.cell_length + len(tail) > width else Content.assemble(line, (tail, "$text-muted"))
