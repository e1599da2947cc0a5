"""A run's history: one row per epoch, stored in columns of 8 bytes per value, and its files for other programs."""

import csv
import io
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import overload

import msgspec


class EpochRow(msgspec.Struct, frozen=True, gc=False):
    """One row of the epoch table. Losses and accuracies that are missing or not finite are NaN, which charts skip."""

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
    """Training batches since the start of the run, at the end of this epoch; 0 when no batch was reported."""
    gradient_norm: float = math.nan


COLUMNS = EpochRow.__struct_fields__
EPOCH, STEP = COLUMNS.index("epoch"), COLUMNS.index("step")


class History(Sequence[EpochRow]):
    """Rows ascending by epoch, without repetition. Immutable.

    A history and the longer one that `with_row` makes of it share their columns, so that each state of a run of
    20,000 epochs costs nothing beside the last one.
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
        """The index of the row whose ``name``, ``epoch`` or ``step``, is closest to ``value``. Not of an empty one."""
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
        places = range(self._length)[index]
        return self._row(places) if isinstance(places, int) else [self._row(place) for place in places]

    def _row(self, index: int) -> EpochRow:
        values: list[float] = [column[index] for column in self._columns]
        values[EPOCH], values[STEP] = int(values[EPOCH]), int(values[STEP])
        return EpochRow(*values)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"History({list(self)!r})"


def history_csv(history: History) -> str:
    """One row per epoch, with a heading; a missing value is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in history:
        values = msgspec.structs.astuple(row)
        writer.writerow("" if isinstance(value, float) and math.isnan(value) else value for value in values)
    return text.getvalue()


def history_json(history: History) -> bytes:
    """A list of objects, one per epoch; a missing value is null."""
    return msgspec.json.format(msgspec.json.encode(list(history)), indent=2) + b"\n"
