"""A run's history for other programs."""

import csv
import io
import math

import msgspec

from core.runs.journal.state import EpochRow, RunState


def history_csv(state: RunState) -> str:
    """One row per epoch, with a heading; a missing value is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EpochRow.__struct_fields__)
    for row in state.history:
        values = msgspec.structs.astuple(row)
        writer.writerow("" if isinstance(value, float) and math.isnan(value) else value for value in values)
    return text.getvalue()


def history_json(state: RunState) -> bytes:
    """A list of objects, one per epoch; a missing value is null."""
    return msgspec.json.format(msgspec.json.encode(state.history), indent=2) + b"\n"
