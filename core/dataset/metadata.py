"""An index: a CSV file with a row a clip and whatever columns its maker knew."""

import csv
from pathlib import Path

from core.audio.files.formats import AUDIO_SUFFIXES
from core.dataset.clip import DatasetError
from core.util.text import printable

INDEX_NAME = "index.csv"


def read_index(path: Path) -> dict[str, dict[str, str]]:
    """Clip name (without folder and suffix) → its columns.

    Clips are named in the column ``name``, or where there is none in ``path``, ``file`` or ``filename``.

    Raises:
        DatasetError: the file cannot be read, is no CSV, or names no clips.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            key = next((c for c in ("name", "path", "file", "filename") if c in columns), None)
            if key is None:
                raise DatasetError(f"{printable(path)} needs a column called name that says which row is which clip.")
            return {_clip_name(row[key] or ""): {c: row[c] or "" for c in columns} for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"The index {printable(path)} cannot be read: {error}.") from error


def _clip_name(text: str) -> str:
    """``blues/blues.00000.au`` → ``blues.00000``; a name without an audio suffix stays whole."""
    name = Path(text)
    return name.stem if name.suffix.lower() in AUDIO_SUFFIXES else name.name


def column_of(path_and_column: str) -> tuple[Path | None, str]:
    """``INDEX.csv:artist`` → the index and the column; ``artist`` → no index and the column."""
    index, separator, column = path_and_column.rpartition(":")
    return (Path(index) if separator else None), column
