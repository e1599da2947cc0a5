"""The export of a run: what the files contain."""

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from core.runs.journal.history import EpochRow, History
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run
from tui.charts.data import View
from tui.watch.export import export


@pytest.fixture
def state() -> RunState:
    folded = replace(reduce(RunState.empty(), example_run.midway(6)), name="a & b $x$", alive=True)
    nan = float("nan")
    without = EpochRow(3, nan, nan, nan, nan, nan, nan, nan, nan, nan, 150)
    return replace(folded, history=History([without if row.epoch == 3 else row for row in folded.history]))


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_an_export_has_the_history_and_both_charts(
    state: RunState, tmp_path: Path, steps: bool, logarithmic: bool
) -> None:
    view = View(smoothing=0.5, logarithmic=logarithmic, zoom=(1.0, 300.0 if steps else 5.0))
    paths = export(state, view, steps=steps, folder=tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["history.csv", "history.json", "loss.svg", "accuracy.svg"]
    assert len(list(csv.DictReader(paths[0].open()))) == len(json.loads(paths[1].read_bytes())) == 6
    for path in paths[2:]:
        words = {
            "".join(element.itertext()).strip() for element in ET.parse(path).iter() if element.tag.endswith("text")
        }
        assert {"train", "val", "Step" if steps else "Epoch"} <= words
        assert f"a & b $x$: {path.stem}, smoothed 0.5" in words


def test_a_run_without_an_epoch_can_be_exported(tmp_path: Path) -> None:
    state = replace(reduce(RunState.empty(), example_run.beginning(20)[:1]), name="new")
    assert all(path.is_file() for path in export(state, View(logarithmic=True), steps=False, folder=tmp_path))
