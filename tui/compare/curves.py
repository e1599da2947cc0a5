"""The curves of several runs, each with its letter and its colour."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.runs.journal.state import RunState
from tui.charts.curves import Curves
from tui.charts.data import Bounds, ChartData, Columns, Line


class ComparedCurves(Curves):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.train = False
        """Training instead of validation."""
        self._runs: list[Columns] = []

    def show(self, states: Sequence[RunState]) -> None:
        self._runs = self._runs or [Columns() for _ in states]
        for columns, state in zip(self._runs, states, strict=True):
            columns.take_in(state.history)
        self.refresh_curves()

    def toggle_train(self) -> None:
        self.train = not self.train
        self.refresh_curves()

    def subjects(self) -> tuple[ChartData, ChartData]:
        loss = compared_loss(self._runs, train=self.train, steps=self.steps)
        return loss, compared_accuracy(self._runs, train=self.train, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        """The longest run's."""
        return max((run.steps if self.steps else run.epochs for run in self._runs), key=len, default=[])

    def stamp(self) -> object:
        return self.train, [(len(run.epochs), run.last) for run in self._runs]


LETTERS = "ABCDEFGH"
"""A run's letter stands on its curve and before its row; its colour has the same place in the palette's series."""
LETTER_EVERY = 14
"""Columns from one letter on a curve to the next."""
_PART = {True: "Training", False: "Validation"}


def compared_loss(runs: Sequence[Columns], *, train: bool, steps: bool) -> ChartData:
    """The runs' losses, of training or of validation."""
    ys = [run.train_loss if train else run.val_loss for run in runs]
    return ChartData(f"{_PART[train]} loss", _lines(runs, ys, steps), Bounds(low=0.0))


def compared_accuracy(runs: Sequence[Columns], *, train: bool, steps: bool) -> ChartData:
    """The runs' accuracies in percent."""
    ys = [run.train_accuracy if train else run.val_accuracy for run in runs]
    return ChartData(f"{_PART[train]} accuracy", _lines(runs, ys, steps), Bounds(0.0, 100.0))


def _lines(runs: Sequence[Columns], values: Sequence[Sequence[float]], steps: bool) -> list[Line]:
    return [
        Line("", tag, run.steps if steps else run.epochs, ys, letter, sign=letter, sign_every=LETTER_EVERY)
        for tag, (letter, run, ys) in enumerate(zip(LETTERS, runs, values, strict=False), start=1)
    ]


def differences(recipes: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The fields in which the recipes differ, each with every recipe's value; nested ones as ``optimiser.name``."""
    flat = [_flat(recipe) for recipe in recipes]
    names = dict.fromkeys(name for recipe in flat for name in recipe)
    rows = [(name, [recipe.get(name, "–") for recipe in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = _written(value)
    return flat


def _written(value: object) -> str:
    """``0.001``, ``1.7e-4``, ``adam``, and a dash for nothing."""
    if isinstance(value, float):
        return f"{value:.4g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")
    return "–" if value is None else str(value)
