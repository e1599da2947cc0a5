"""A run's history and charts as files: CSV and JSON for programs, SVG for people."""

from dataclasses import replace
from pathlib import Path

from core.runs.journal.history import history_csv, history_json
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from tui.charts.data import Columns, accuracy_subject, loss_subject
from tui.charts.svg import svg
from tui.charts.view import View


def export(state: RunState, view: View, *, steps: bool, folder: Path) -> list[Path]:
    """Write history.csv, history.json, loss.svg and accuracy.svg into ``folder`` and return where they lie.

    The charts are those in view: zoomed range, smoothing and scale included.

    Raises:
        OSError: the folder cannot be written to.
    """
    unit = "step" if steps else "epoch"
    columns = Columns()
    columns.take_in(state.history)
    loss, accuracy = loss_subject(state, columns, steps=steps), accuracy_subject(state, columns, steps=steps)
    contents = {
        "history.csv": history_csv(state).encode(),
        "history.json": history_json(state),
        "loss.svg": svg(loss, view, f"{state.name}: loss", unit).encode(),
        "accuracy.svg": svg(accuracy, replace(view, logarithmic=False), f"{state.name}: accuracy, %", unit).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]
