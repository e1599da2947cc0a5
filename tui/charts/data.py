"""What a chart shows: named lines, markers and bounds."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tui.charts.ticks import Bounds


@dataclass(frozen=True)
class Line:
    """A named line. ``xs`` ascends; a NaN or infinite y is a gap."""

    name: str
    tag: int
    xs: Sequence[float]
    ys: Sequence[float]
    ascii_marker: str = "*"
    """Character of the line in ASCII, where there is no braille."""
    dashed: bool = False
    """Distinguishes it without colour."""
    sign: str = ""
    """Character put on the line, at most every ``sign_every`` columns, to distinguish it among several."""
    sign_every: int = 14
    spread: tuple[Sequence[float], Sequence[float]] | None = None
    """For each x the lowest and highest of the values averaged into y."""

    def nearest(self, x: float) -> int | None:
        """The index of the value closest to ``x``."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, x)
        near = range(max(0, right - 1), min(len(self.xs), right + 1))
        return min(near, key=lambda i: abs(self.xs[i] - x))


@dataclass(frozen=True)
class Marker:
    """A point with a star."""

    x: float
    y: float
    tag: int


@dataclass(frozen=True)
class ChartData:
    """The content of one chart."""

    title: str
    lines: Sequence[Line]
    bounds: Bounds = field(default_factory=Bounds)
    markers: Sequence[Marker] = ()
    format: Callable[[float], str] = "{:g}".format
    """Formats a value for the title."""
    logarithmic: bool = True
    """Whether a logarithmic scale suits it."""
    empty: str = ""
    """Shown while there are no values."""
    columns: Sequence[str] = ()
    """Names of the x values 1, 2, …, where they are not numbers on an axis."""
