"""The view of a chart, and how keys change its cursor, selection and zoomed range."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class View:
    """How lines are shown."""

    smoothing: float = 0.0
    logarithmic: bool = False
    clip_outliers: bool = False
    """Whether the vertical axis leaves out what lies far from the rest."""
    zoom: tuple[float, float] | None = None
    cursor: float | None = None
    anchor: float | None = None
    """The other end of the selection, which extends from the cursor."""

    @property
    def selection(self) -> tuple[float, float] | None:
        if self.cursor is None or self.anchor is None or self.cursor == self.anchor:
            return None
        return min(self.cursor, self.anchor), max(self.cursor, self.anchor)


NARROWEST = 1.0
"""Smallest zoomed range in epochs or steps."""


def move_cursor(view: View, xs: Sequence[float], columns: int, by: int, *, select: bool = False) -> View:
    """Move the cursor ``by`` values to the right, or by columns where a column covers several values.

    The cursor starts at the last value and disappears beyond it, so that the title follows the run again. With
    ``select`` the range it passes is selected.
    """
    first, end = _visible(view, xs)
    if first == end:
        return view
    if view.cursor is None:
        if by > 0:
            return view
        target = end - 1
        anchor = xs[target] if select else None
    else:
        target = bisect_left(xs, view.cursor, first, end) + by * max(1, (end - first) // max(1, columns))
        anchor = (view.cursor if view.anchor is None else view.anchor) if select else None
        if target >= end and not select:
            return replace(view, cursor=None, anchor=None)
    return replace(view, cursor=xs[max(first, min(target, end - 1))], anchor=anchor)


def put_cursor(view: View, xs: Sequence[float], x: float) -> View:
    """Put the cursor on the value nearest to ``x``."""
    first, end = _visible(view, xs)
    if first == end:
        return view
    right = bisect_left(xs, x, first, end)
    near = range(max(first, right - 1), min(end, right + 1))
    return replace(view, cursor=xs[min(near, key=lambda i: abs(xs[i] - x))], anchor=None)


def zoom_in(view: View, xs: Sequence[float]) -> View:
    """Zoom to the selection, or else to half of the range in view: around the cursor, or its end."""
    if not xs:
        return view
    if view.selection is not None:
        low, high = view.selection
    else:
        first, last = view.zoom or (xs[0], xs[-1])
        half = (last - first) / 2
        middle = last - half / 2 if view.cursor is None else view.cursor
        low = max(first, min(middle - half / 2, last - half))
        high = low + half
    if high - low < NARROWEST:
        return view
    return replace(view, zoom=(low, high), anchor=None)


def select(view: View, xs: Sequence[float], first: float, last: float) -> View:
    """Select from the value nearest to ``first`` to the one nearest to ``last``, where the cursor goes."""
    start, end = (put_cursor(view, xs, x).cursor for x in (first, last))
    return replace(view, anchor=start, cursor=end)


def zoom_at(view: View, xs: Sequence[float], x: float, factor: float) -> View:
    """Zoom by ``factor`` (below 1 is closer) so that ``x`` stays where it is."""
    if not xs:
        return view
    first, last = view.zoom or (xs[0], xs[-1])
    low, high = x - (x - first) * factor, x + (last - x) * factor
    low, high = max(xs[0], low), min(xs[-1], high)
    if high - low >= xs[-1] - xs[0]:
        return replace(view, zoom=None)
    return view if high - low < NARROWEST else replace(view, zoom=(low, high))


def go_back(view: View) -> View:
    """Clear the selection; if there is none, the zoom; then the cursor."""
    if view.anchor is not None:
        return replace(view, anchor=None)
    if view.zoom is not None:
        return replace(view, zoom=None)
    return replace(view, cursor=None)


def _visible(view: View, xs: Sequence[float]) -> tuple[int, int]:
    if view.zoom is None:
        return 0, len(xs)
    return bisect_left(xs, view.zoom[0]), bisect_right(xs, view.zoom[1])
