"""Values over steps in bounded memory: however many there are, at most `CAPACITY` points remain."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

CAPACITY = 512


class Point(NamedTuple):
    """``n`` values between the steps ``first`` and ``last``."""

    first: int
    last: int
    low: float
    high: float
    mean: float
    n: int

    @property
    def step(self) -> float:
        """Where to draw it."""
        return (self.first + self.last) / 2


@dataclass(slots=True)
class Series:
    """Points that each cover ``width`` steps; when they become too many, neighbours merge and the width doubles.

    Points lie on multiples of ``width``, so the result depends on the values and not on the pieces they came in.
    """

    points: list[Point] = field(default_factory=list)
    width: int = 1

    def add(self, step: int, value: float | None) -> None:
        """Adds one value. A missing or infinite one leaves a gap; a step seen before rewinds the series to it."""
        if self.points and step <= self.points[-1].last:
            self._rewind(step)
        if value is None or not math.isfinite(value):
            return
        value = float(value)
        point = Point(step, step, value, value, value, 1)
        if self.points and self.points[-1].first // self.width == step // self.width:
            self.points[-1] = _merged(self.points[-1], point)
        else:
            self.points.append(point)
        while len(self.points) > CAPACITY:
            self.width *= 2
            self.points = _grouped(self.points, self.width)

    def copy(self) -> "Series":
        return Series(list(self.points), self.width)

    def _rewind(self, step: int) -> None:
        """A run that resumes from a checkpoint repeats the steps after it."""
        while self.points and self.points[-1].last >= step:
            self.points.pop()


def _grouped(points: list[Point], width: int) -> list[Point]:
    grouped: list[Point] = []
    for point in points:
        if grouped and grouped[-1].first // width == point.first // width:
            grouped[-1] = _merged(grouped[-1], point)
        else:
            grouped.append(point)
    return grouped


def _merged(a: Point, b: Point) -> Point:
    n = a.n + b.n
    mean = a.mean + (b.mean - a.mean) * b.n / n
    return Point(a.first, b.last, min(a.low, b.low), max(a.high, b.high), mean, n)
