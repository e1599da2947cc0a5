"""The curves of several runs, each with its letter and colour."""

from collections.abc import Sequence

from core.runs.journal.state import RunState
from tui.charts.curves import Curves
from tui.charts.data import ChartData, HistoryColumns, Line
from tui.charts.ticks import Bounds

LETTERS = "ABCDEFGH"
"""A run's letter marks its curve and its row; its colour has the same index in the palette's series."""
_PART = {True: "Training", False: "Validation"}


def compared_loss(runs: Sequence[HistoryColumns], *, train: bool, steps: bool) -> ChartData:
    """The training or validation loss of each run."""
    ys = [run.train_loss if train else run.val_loss for run in runs]
    return ChartData(f"{_PART[train]} loss", _lines(runs, ys, steps), Bounds(low=0.0))


def compared_accuracy(runs: Sequence[HistoryColumns], *, train: bool, steps: bool) -> ChartData:
    """The training or validation accuracy of each run, in percent."""
    ys = [run.train_accuracy if train else run.val_accuracy for run in runs]
    return ChartData(f"{_PART[train]} accuracy", _lines(runs, ys, steps), Bounds(0.0, 100.0))


def _lines(runs: Sequence[HistoryColumns], values: Sequence[Sequence[float]], steps: bool) -> list[Line]:
    return [
        Line(letter, tag, run.steps if steps else run.epochs, ys, letter, sign=letter)
        for tag, (letter, run, ys) in enumerate(zip(LETTERS, runs, values, strict=False), start=1)
    ]


class ComparedCurves(Curves):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.train = False
        """Whether training is shown instead of validation."""
        self._runs: list[HistoryColumns] = []

    def show(self, states: Sequence[RunState]) -> None:
        self._runs = self._runs or [HistoryColumns() for _ in states]
        for columns, state in zip(self._runs, states, strict=True):
            columns.update(state.history)
        self.refresh_curves()

    def toggle_train(self) -> None:
        self.train = not self.train
        self.refresh_curves()

    def chart_data(self) -> tuple[ChartData, ChartData]:
        loss = compared_loss(self._runs, train=self.train, steps=self.steps)
        return loss, compared_accuracy(self._runs, train=self.train, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        """Those of the longest run."""
        return max((run.steps if self.steps else run.epochs for run in self._runs), key=len, default=[])

    def version(self) -> object:
        return self.train, [(len(run.epochs), run.last) for run in self._runs]
