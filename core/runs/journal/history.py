"""A run's history, one row per epoch in columns of 8 bytes per value, and its files for other programs; and values over
steps in bounded memory: however many there are, at most `CAPACITY` points remain."""

import csv
import io
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import msgspec


class EpochRow(msgspec.Struct, frozen=True, gc=False):
    """A row of the epoch table. Missing and infinite losses and accuracies are NaN, which charts skip."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    train_seconds: float
    val_seconds: float
    clips_per_second: float
    step: int
    """Training batches from the start of the run to the end of this epoch; 0 if no batch was reported."""
    gradient_norm: float = math.nan


COLUMNS = EpochRow.__struct_fields__
EPOCH, STEP = COLUMNS.index("epoch"), COLUMNS.index("step")


class History(Sequence[EpochRow]):
    """Rows ascending by epoch, without repetition. Immutable.

    A history and the longer one that `with_row` makes of it share their columns, so that each state of a run of
    20,000 epochs adds almost nothing to the memory of the last one.
    """

    __slots__ = ("_columns", "_length")

    def __init__(self, rows: Iterable[EpochRow] = ()) -> None:
        self._columns: list[array[float]] = [array("d") for _ in COLUMNS]
        self._length = 0
        for row in rows:
            self._append(row)

    def with_row(self, row: EpochRow) -> "History":
        """With ``row`` at the end, which replaces the rows of its epoch and of later ones."""
        longer = self.up_to(row.epoch - 1)
        if longer._length < len(longer._columns[EPOCH]):  # what follows belongs to another history
            longer._columns = [column[: longer._length] for column in longer._columns]
        longer._append(row)
        return longer

    def up_to(self, epoch: int) -> "History":
        """Without the rows after ``epoch``."""
        part = History()
        part._columns = self._columns
        part._length = bisect_right(self._columns[EPOCH], epoch, 0, self._length)
        return part

    def _append(self, row: EpochRow) -> None:
        for column, name in zip(self._columns, COLUMNS, strict=True):
            column.append(getattr(row, name))
        self._length += 1

    def column(self, name: str) -> Sequence[float]:
        """The values of one field of `EpochRow`."""
        return self._columns[COLUMNS.index(name)][: self._length]

    def nearest(self, name: str, value: float) -> int:
        """The index of the row whose ``name``, ``epoch`` or ``step``, is closest to ``value``; there must be one."""
        column = self._columns[COLUMNS.index(name)]
        right = bisect_left(column, value, 0, self._length)
        near = range(max(0, right - 1), min(self._length, right + 1))
        return min(near, key=lambda index: abs(column[index] - value))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> EpochRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[EpochRow]: ...
    def __getitem__(self, index: int | slice) -> EpochRow | list[EpochRow]:
        chosen = range(self._length)[index]
        return self._row(chosen) if isinstance(chosen, int) else [self._row(i) for i in chosen]

    def _row(self, index: int) -> EpochRow:
        values: list[float] = [column[index] for column in self._columns]
        values[EPOCH], values[STEP] = int(values[EPOCH]), int(values[STEP])
        return EpochRow(*values)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"History({list(self)!r})"


def history_csv(history: History) -> str:
    """One row per epoch, with a header; missing values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in history:
        values = msgspec.structs.astuple(row)
        writer.writerow("" if isinstance(value, float) and math.isnan(value) else value for value in values)
    return text.getvalue()


def history_json(history: History) -> bytes:
    """A list of objects, one per epoch; missing values are null."""
    return msgspec.json.format(msgspec.json.encode(list(history)), indent=2) + b"\n"


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
    """Points of ``width`` steps each; when there are too many, neighbours are merged and the width is doubled.

    Points are aligned to multiples of ``width``, so the result depends only on the values.
    """

    points: list[Point] = field(default_factory=list)
    width: int = 1

    def add(self, step: int, value: float | None) -> None:
        """Add a value. A missing or infinite one is a gap; an earlier step rewinds the series to it."""
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
        """Drop the values from ``step`` on, which a run that resumes from a checkpoint repeats."""
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
