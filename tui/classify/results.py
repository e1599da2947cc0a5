"""The results table, one row per file with its prediction, and the totals below it."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual import events, work
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.inference.batch.known_labels import Comparison, KnownLabels, known_labels
from core.inference.types import Prediction, Unreadable
from core.inference.workers.file_worker import Loaded
from core.util.errors import UserError
from core.util.text import printable
from tui.formatting import DASH, bar, clock, ending, fitted, padded, percent, shown, widest
from tui.widgets.row_list import LinesView, RowList, column_at
from tui.widgets.spectrogram_view import Image

State = Literal["waiting", "classified", "unreadable"]
STALE = "~"
"""Before a genre that another model has predicted."""


@dataclass(eq=False)
class Sound:
    """A file and what is known about it so far."""

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
    def answer(self) -> str:
        """The genre, ``uncertain``, or the state."""
        if self.prediction is not None:
            return "uncertain" if self.prediction.uncertain else self.prediction.genre
        return self.state


def _probability(sound: Sound) -> float:
    return sound.prediction.probability if sound.prediction is not None else -1.0


def _runner_up(sound: Sound) -> tuple[str, float]:
    """The second likeliest genre."""
    if sound.prediction is None or len(sound.prediction.probabilities) < 2:
        return "", 0.0
    return sound.prediction.top(2)[1]


NAMES = ("file", "folder/file", "path")
"""What the first column shows: the name, with the folder that it is in, or the whole path."""
MOST_GENRE_CELLS = 14
PERCENT_CELLS, LENGTH_CELLS = 5, 7
BAR_CELLS = 8
LEAST_FOR_RUNNER_UP = 66
"""Cells of a row below which there is no column for the runner-up."""

ORDERS: dict[str, Callable[[Sound], str | float]] = {
    "given": lambda sound: 0.0,
    "file": lambda sound: sound.path.name.casefold(),
    "genre": lambda sound: sound.answer,
    "runner-up": lambda sound: _runner_up(sound)[0],
    "confidence": _probability,
    "length": lambda sound: sound.prediction.duration_s if sound.prediction is not None else -1.0,
}
"""Order → key. Sorting is stable: within equals the order of giving stays."""


class ResultHeader(Static):
    """The titles of the columns; a click on one sorts by it."""

    class Clicked(Message):
        def __init__(self, x: int) -> None:
            super().__init__()
            self.x = x

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.Clicked(event.x))


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
        """The columns have moved, so their titles must be drawn again."""

    class Dropped(Message):
        def __init__(self, sound: Sound) -> None:
            super().__init__()
            self.sound = sound

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.sounds: Sequence[Sound] = ()
        """In the order in which they are listed."""
        self._given: Sequence[Sound] = ()
        self.order = "given"
        self.names = NAMES[0]
        self.descending = False
        self._genre_cells = self._answer_cells = len("genre▲")
        """Cells of the longest genre that a model knows, and of the longest other answer."""

    @property
    def current(self) -> Sound | None:
        return self.sounds[self.cursor] if self.cursor < len(self.sounds) else None

    def show(self, sounds: Sequence[Sound]) -> None:
        """Show these in the order that is set; the cursor stays on its file."""
        on, self._given = self.current, sounds
        self.sounds = sorted(sounds, key=ORDERS[self.order], reverse=self.descending)
        if on is not None and on in self.sounds:
            self.cursor = self.sounds.index(on)
        known = next((sound.prediction.probabilities for sound in sounds if sound.prediction is not None), {})
        stale = len(STALE) + 1 if any(sound.is_stale for sound in sounds) else 0
        self._genre_cells = max(len("genre▲"), widest(known) + stale)
        unreadable = any(sound.state == "unreadable" for sound in sounds)
        self._answer_cells = len("✗ unreadable") if unreadable else len("uncertain") + stale
        self.rows_changed()
        self.post_message(self.Moved())
        self.post_message(self.Resized())

    def sort_by(self, column: str) -> None:
        """Sort by a column, or in reverse if it is sorted by that one already."""
        self.descending = not self.descending if column == self.order else False
        self.order = column
        self.show(self._given)

    def sort_by_next(self) -> None:
        orders = list(ORDERS)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self.show(self._given)

    def reverse(self) -> None:
        self.descending = not self.descending
        self.show(self._given)

    def turn_names(self) -> None:
        """Show the next of `NAMES` in the first column."""
        self.names = NAMES[(NAMES.index(self.names) + 1) % len(NAMES)]
        self.show(self._given)

    def go_to(self, sound: Sound) -> None:
        if sound in self.sounds:
            self._move_cursor(self.sounds.index(sound))

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Resized())

    def row_count(self) -> int:
        return len(self.sounds)

    def row(self, index: int, width: int) -> Content:
        sound = self.sounds[index]
        answer, style, bar_style = sound.answer, "$text-muted", "$accent"
        columns = self._columns(width)
        sizes = dict(columns)
        confidence = length = runner_up = ""
        if (prediction := sound.prediction) is not None:
            style = "$text-muted" if sound.is_stale else "$warn" if prediction.uncertain else ""
            bar_style = style or "$accent"
            answer = f"{STALE} {answer}" if sound.is_stale else answer
            genre, second = _runner_up(sound)
            cells_of_genre = max(1, sizes.get("runner-up", 0) - PERCENT_CELLS)
            runner_up = f"{fitted(genre, cells_of_genre)} {percent(second, 0):>4}" if genre else ""
            confidence = (
                f"{bar(prediction.probability, BAR_CELLS):<{BAR_CELLS}} {percent(prediction.probability, 0):>4}"
            )
            length = clock(prediction.duration_s)
        elif sound.unreadable is not None:
            answer, style, confidence, length = "✗ unreadable", "$bad", DASH, DASH
        cells = {
            "genre": (answer, style),
            "runner-up": (runner_up, "$text-muted"),
            "confidence": (confidence, bar_style),
            "length": (length, ""),
        }
        parts = [(fitted(cells[name][0], size, right=name == "length"), cells[name][1]) for name, size in columns[1:]]
        title, size = printable(self._title(sound)), sizes["file"]
        name = fitted(title, size) if self.names == "file" else padded(ending(title, size), size)
        return Content(" ").join([Content(name), *(Content.styled(text, style) for text, style in parts)])

    def _title(self, sound: Sound) -> str:
        match self.names:
            case "path":
                return shown(sound.path)
            case "folder/file":
                return f"{sound.path.parent.name}/{sound.path.name}"
        return sound.path.name

    def _columns(self, width: int) -> list[tuple[str, int]]:
        """Columns from left to right, with their cells; the first has what the others leave."""
        genre = min(self._genre_cells, max(MOST_GENRE_CELLS, width // 6))
        sizes = {
            "genre": max(genre, self._answer_cells),
            "runner-up": (max(genre, 6) + PERCENT_CELLS) * (width >= LEAST_FOR_RUNNER_UP),
            "confidence": BAR_CELLS + PERCENT_CELLS,
            "length": LENGTH_CELLS,
        }
        rest = [(name, size) for name, size in sizes.items() if size]
        return [("file", max(8, width - sum(size + 1 for _, size in rest))), *rest]

    def header(self) -> Content:
        """Titles over the columns; the one that is sorted by has an arrow."""
        arrow = "▼" if self.descending else "▲"
        titles = []
        for name, size in self._columns(self.row_width):
            title = self.names if name == "file" else name
            titles.append(fitted(f"{title}{arrow if name == self.order else ''}", size, right=name == "length"))
        return Content.styled(f"  {' '.join(titles)}", "$text-muted")

    def sort_by_title(self, x: int) -> None:
        """Sort by the column whose title is at cell ``x`` of the header."""
        self.sort_by(column_at(self._columns(self.row_width), x) or "length")

    def action_drop(self) -> None:
        if (sound := self.current) is not None:
            self.post_message(self.Dropped(sound))

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())


class Totals(LinesView):
    """Totals per genre, and the accuracy in the classified folders whose labels are known."""

    BINDING_GROUP_TITLE = "The totals"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sounds: Sequence[Sound] = ()
        self._model: Loaded | None = None
        self._folders: dict[Path, KnownLabels | None] = {}
        """Folders that were classified, with their labels where those are known."""

    def show_sounds(self, sounds: Sequence[Sound]) -> None:
        self._sounds = sounds
        self.fill()

    def use(self, model: Loaded | None) -> None:
        """Compare the predictions of this model, which may know other genres than the one before."""
        self._model, self._folders = model, dict.fromkeys(self._folders)
        self._find_labels()

    def add_folders(self, folders: Iterable[Path]) -> None:
        self._folders |= dict.fromkeys(folders)
        self._find_labels()

    def fill(self) -> None:
        """Draw the lines for the present width."""
        if not self.size.width:
            return
        model = self._model
        results = [sound.prediction for sound in self._sounds if sound.prediction is not None and not sound.is_stale]
        comparisons = [
            known.compare(results, model.genres, model.learnt)
            for known in self._folders.values()
            if known is not None and model is not None
        ]
        self.show(total_lines(self._sounds, comparisons, self.row_width))

    def on_resize(self) -> None:
        super().on_resize()
        self.fill()

    @work(thread=True, group="labels", exclusive=True)
    def _find_labels(self) -> None:
        """Read the labels of the folders in a thread, because they may come from tags."""
        model = self._model
        if model is None:
            return
        for folder in [folder for folder, known in self._folders.items() if known is None]:
            try:
                known = known_labels(folder, model.genres)
            except (UserError, OSError):
                continue  # nothing to compare with
            self.app.call_from_thread(self._take_labels, folder, known)

    def _take_labels(self, folder: Path, known: KnownLabels | None) -> None:
        self._folders[folder] = known
        self.fill()


def total_lines(sounds: Sequence[Sound], comparisons: Sequence[Comparison], width: int) -> list[Content]:
    """A bar per genre with its files and their length; then the accuracy of each folder with known labels."""
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for sound in sounds:
        if sound.state != "waiting":
            counts[sound.answer] += 1
            seconds[sound.answer] += round(sound.prediction.duration_s) if sound.prediction is not None else 0
    if not counts:
        return [Content.styled("No file is classified yet.", "$text-muted")]
    names = min(widest(counts), max(8, width // 3, width - 35))
    room = max(4, width - names - 19)
    most = max(counts.values())
    lines = [Content.styled(f"{'':<{names}} {'':<{room}} {'files':>7} {'length':>9}", "$text-muted")]
    for genre, number in counts.most_common():
        style = {"uncertain": "$warn", "unreadable": "$bad"}.get(genre, "$accent")
        lines.append(
            Content.assemble(
                f"{fitted(genre, names)} ",
                (f"{bar(number / most, room) or '╸':<{room}}", style),
                f" {number:>7,} {clock(seconds[genre]):>9}",
            )
        )
    for comparison in comparisons:
        first, *others = comparison.lines()
        lines += [Content(""), *(Content.styled(line, "bold") for line in textwrap.wrap(first, width))]
        # The confusion matrix is aligned by its spaces.
        lines += [Content(part) for line in others for part in ([line] if "  " in line else textwrap.wrap(line, width))]
    return lines
