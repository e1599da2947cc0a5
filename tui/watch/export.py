"""Export of a run's history and charts: CSV and JSON for programs, SVG for people. Imports matplotlib."""

from pathlib import Path

from core.reports.plots import plot_lines
from core.runs.journal.history import history_csv, history_json
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from core.util.text import printable
from tui.charts.data import ChartData, View
from tui.charts.render import curve_points, x_range
from tui.charts.run_charts import ACCURACY, LOSS, run_chart

POINTS = 2000
"""Bins per line; each keeps its minimum and maximum."""


def export(state: RunState, view: View, *, steps: bool, folder: Path) -> list[Path]:
    """Write history.csv, history.json, loss.svg and accuracy.svg into ``folder`` and return their paths.

    The charts are as in ``view``: zoomed range, smoothing and scale included.

    Raises:
        OSError: the folder is not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("history.csv", "history.json", "loss.svg", "accuracy.svg")]
    write_atomic(paths[0], history_csv(state.history).encode())
    write_atomic(paths[1], history_json(state.history))
    loss, accuracy = (run_chart(chart, state, steps=steps) for chart in (LOSS, ACCURACY))
    _write_chart(paths[2], state.name, loss, "Loss", view, steps, view.logarithmic)
    _write_chart(paths[3], state.name, accuracy, "Accuracy (%)", view, steps, False)
    return paths


def _write_chart(path: Path, run: str, data: ChartData, axis: str, view: View, steps: bool, logarithmic: bool) -> None:
    low, high = view.zoom or x_range(data.lines)
    linear = View(smoothing=view.smoothing)  # matplotlib takes the logarithm itself
    smoothed = f", smoothed {view.smoothing:g}" if view.smoothing else ""
    lines = {line.name: curve_points(line, linear, low, high, POINTS)[0] for line in data.lines}
    title = printable(f"{run}: {data.title.lower()}{smoothed}")
    plot_lines(path, title, "Step" if steps else "Epoch", axis, lines, logarithmic=logarithmic)
