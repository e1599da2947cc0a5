"""A table that merges the names of genres (`LabelSettings.map`), as a screen edits it."""

import csv
import io
from pathlib import Path

from core.dataset.metadata import read_table_of_two
from core.util.atomic import write_atomic


def write_with_name(table: Path, earlier: Path | None, name: str, counts_as: str) -> None:
    """Write a table in which ``name`` counts as ``counts_as``; empty leaves its files out.

    Args:
        table: the new table; its folder is made.
        earlier: one whose rows are kept; those that led to ``name`` lead to ``counts_as`` now. It is not changed.

    Raises:
        DatasetError: the earlier table cannot be read.
        OSError: the new one cannot be written.
    """
    rows = dict(read_table_of_two(earlier)) if earlier is not None else {}
    rows = {source: counts_as if genre == name else genre for source, genre in rows.items()}
    rows[name] = counts_as
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows.items())
    table.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(table, text.getvalue().encode())
