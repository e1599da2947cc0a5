"""The tables of processes that shared the files, dealt back into one in the order of the files."""

import contextlib
import csv
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import UserError
from core.runs.atomic import replacing
from tui.exits import UsageError


@contextlib.contextmanager
def shared_table(path: Path, processes: int) -> Iterator[list[Path]]:
    """Yields a file for the table of each process; at the end, and not after an error, they are one at ``path``.

    Raises:
        UserError: the file cannot be written.
    """
    if path == Path("-"):
        raise UsageError("--nproc writes a table to a file, not to standard output; give --csv a file")
    with contextlib.ExitStack() as stack:
        try:
            table = stack.enter_context(replacing(path))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="genre-tui-"))
        parts = [Path(folder) / f"{number}.csv" for number in range(processes)]
        yield parts
        _join(parts, table)


def _join(parts: Sequence[Path], table: Path) -> None:
    """The head once, then a row of each in turn: process I has had every N-th file from the I-th on."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(part.open(newline="", encoding="utf-8")) for part in parts]
        tables = [csv.reader(file) for file in files]
        out = csv.writer(stack.enter_context(table.open("w", newline="", encoding="utf-8")))
        heads = [next(rows) for rows in tables]
        out.writerow(heads[0])
        for turn in itertools.zip_longest(*tables):
            out.writerows(row for row in turn if row is not None)
