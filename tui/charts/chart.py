"""One chart: a title line with the values, and the curves below it."""

from collections.abc import Sequence
from math import isfinite

from textual import events
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from core.util.text import counted
from tui.charts.data import ChartData, Line, View
from tui.charts.render import CURSOR, FAINT, SELECTION, RenderedChart, render_chart
from tui.formatting import DASH
from tui.shell.base import BaseApp
from tui.widgets.text import Cell, cells, difference, strip

SMALLEST = (16, 5)
"""Columns and rows below which only the title is shown."""


class Chart(Widget):
    """Redraws when its data or view change, and then only the cells that differ."""

    app: BaseApp
    can_focus = False

    class Pointed(Message):
        """A click on the curves at ``x``."""

        def __init__(self, x: float) -> None:
            super().__init__()
            self.x = x

    class Dragged(Message):
        """The mouse was dragged from ``first`` to ``last``."""

        def __init__(self, first: float, last: float) -> None:
            super().__init__()
            self.first = first
            self.last = last

    class Scrolled(Message):
        """The wheel was turned at ``x``; ``by`` is -1 for up."""

        def __init__(self, x: float, by: int) -> None:
            super().__init__()
            self.x = x
            self.by = by

    class DoubleClicked(Message):
        """Two clicks on the curves."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data = ChartData("", ())
        self._view = View()
        self._unit = "epoch"
        self._rendered: RenderedChart | None = None
        self._rows: list[list[Cell]] = []
        self._pressed: float | None = None
        """Where the mouse button went down; None while it is up."""
        self._dragging = False

    def show(self, data: ChartData, view: View, unit: str) -> None:
        """Show ``data`` under ``view``; ``unit`` is what the horizontal axis counts."""
        self._data, self._view, self._unit = data, view, unit
        self._draw()

    @property
    def columns(self) -> int:
        """Columns of the plot area."""
        return self._rendered.canvas.columns if self._rendered else max(1, self.size.width - 6)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        self._rows = []
        self._draw()

    def _draw(self) -> None:
        """Render the chart and refresh the spans of cells in which it differs from the screen."""
        width, height = self.size
        if not width or not height:
            return
        body = self._body(width, height - 1)  # first: the title says what it leaves out
        rows = [self._title(width), *body]
        for y in range(max(len(rows), len(self._rows))):
            before = self._rows[y] if y < len(self._rows) else None
            now = rows[y] if y < len(rows) else None
            if (region := difference(before, now, y, width)) is not None:
                self.refresh(region)
        self._rows = rows

    def _body(self, width: int, height: int) -> list[list[Cell]]:
        self._rendered = None
        if width < SMALLEST[0] or height < SMALLEST[1]:
            return []
        if not any(line.xs for line in self._data.lines):
            empty = Content.styled(self._data.empty[:width].center(width), "$text-muted")
            return [*[cells(Content(""))] * (height // 2), cells(empty)]
        self._rendered = render_chart(self._data, self._view, width, height, unit=self._unit, ascii_only=self.app.ascii)
        canvas = self._rendered.canvas
        styles = {tag: Style.parse(self._style(tag)) for tag in {tag for row in canvas.tags for tag in row}}
        return [_cells(chars, tags, styles) for chars, tags in zip(canvas.rows, canvas.tags, strict=True)]

    def render_line(self, y: int) -> Strip:
        return strip(self._rows[y] if y < len(self._rows) else (), self.visual_style, self.size.width)

    def _title(self, width: int) -> list[Cell]:
        """``Loss log epoch 7      ⠒⠒⠒ train 0.1714  ⠒•⠒ val 0.9510`` as cells."""
        view = self._view
        title = Content.styled(self._data.title, "bold")
        if view.selection:
            first, last = (f"{end:,.0f}" for end in view.selection)
            title += f" {self._unit} {first}–{last}"
        elif view.cursor is not None:
            title += f" {self._unit} {view.cursor:,.0f}"
        how = " log" * view.logarithmic + (f" smooth {view.smoothing:g}" if view.smoothing else "")
        if self._rendered is not None and self._rendered.clipped:
            how += f" ▲ {counted(self._rendered.clipped, 'outlier')}"
        # Dropped first: scale and smoothing, then the names, then the values.
        for brief, said in ((0, how), (1, how), (1, ""), (2, how), (2, ""), (3, how), (3, "")):
            head, legend = title + Content.styled(said, "$text-muted"), self._legend(brief)
            if head.cell_length + legend.cell_length <= width:
                break
        return cells(head + " " * max(0, width - head.cell_length - legend.cell_length) + legend)[:width]

    def _legend(self, brief: int) -> Content:
        """A sample, the name and the value of each line; with less room a shorter sample, no name, no value."""
        legend = Content("")
        for line in self._data.lines:
            if line.name or len(self._data.lines) == 1:
                sample, name = self._sample(line), "" if line.sign or brief > 1 else line.name
                value = "" if brief > 2 else self._value(line)
                legend += Content.assemble(
                    "  " if value else " ",
                    (sample[:1] if brief else sample, self._style(line.tag)),
                    f" {name}" if name else "",
                    (f" {value}" if value else "", "bold"),
                )
        return legend

    def _sample(self, line: Line) -> str:
        if line.sign:
            return line.sign
        if self.app.ascii:
            return line.ascii_marker * 3
        return "╌╌╌" if line.dashed else "───"

    def _value(self, line: Line) -> str:
        """The value at the cursor, or the last one."""
        index = len(line.xs) - 1 if self._view.cursor is None else line.nearest(self._view.cursor)
        if index is None or index < 0:
            return DASH
        value = line.ys[index]
        return self._data.format(value) if isfinite(value) else DASH

    def _style(self, tag: int) -> str:
        series = self.app.palette.series
        if tag in (0, CURSOR):
            return "$text-muted"
        if tag == SELECTION:
            return "bold"
        return f"{series[tag - FAINT - 1]} dim" if tag > FAINT else series[tag - 1]

    # The mouse

    def _abscissa(self, event: events.MouseEvent) -> float | None:
        """What the pointer is over; while the mouse is dragged, the nearest in the chart."""
        if self._rendered is None or (event.y <= 0 and not self._dragging):
            return None
        column, columns = event.x - self._rendered.canvas.left, self._rendered.canvas.columns
        if self._dragging:
            column = max(0, min(columns - 1, column))
        return self._rendered.grid.abscissa(column) if 0 <= column < columns else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._pressed, self._dragging = self._abscissa(event), False

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._pressed is None or not event.button:
            return
        self._dragging = True
        self.capture_mouse()
        if (x := self._abscissa(event)) is not None and x != self._pressed:
            self.post_message(self.Dragged(self._pressed, x))

    def on_mouse_up(self) -> None:
        self._pressed = None
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        if self._dragging:
            self._dragging = False
        elif event.chain % 2 == 0:  # two double clicks in a row are a chain of four
            self.post_message(self.DoubleClicked())
        elif (x := self._abscissa(event)) is not None:
            self.post_message(self.Pointed(x))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(event, 1)

    def _scroll(self, event: events.MouseEvent, by: int) -> None:
        if (x := self._abscissa(event)) is not None:
            event.stop()
            self.post_message(self.Scrolled(x, by))


def _cells(chars: Sequence[str], tags: Sequence[int], styles: dict[int, Style]) -> list[Cell]:
    """A row of cells. A blank takes the style to its left: each change of style costs forty bytes."""
    row: list[Cell] = []
    for char, tag in zip(chars, tags, strict=True):
        row.append((char, row[-1][1] if char == " " and row else styles[tag]))
    return row
