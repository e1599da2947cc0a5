"""Writing predictions to CSV, JSON lines and tags. Imports no torch."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from core.audio.errors import AudioError
from core.inference.batch.labels import Labels
from core.inference.types import Prediction, Result, Unreadable, as_plain
from core.tags.journal import TagJournal
from core.tags.rewrite import recover
from core.tags.write import Action, plan, write_genres
from core.util.atomic import write_output

CSV_HEAD = ("path", "genre", "probability", "uncertain", "reason", "labels", "duration_s", "error")
"""Columns before those of the genres."""


def csv_cells(result: Result, labels: Sequence[str], genres: Sequence[str], top: int | None = None) -> list[object]:
    """A row for the columns `CSV_HEAD` and the genres; ``top`` keeps only that many probabilities."""
    if isinstance(result, Unreadable):
        return [result.path, "", "", "", "", "", "", result.error, *("" for _ in genres)]
    shown = dict(result.top(top or len(genres)))
    return [
        result.path,
        result.genre,
        result.probability,
        str(result.uncertain).lower(),
        result.reason or "",
        "; ".join(labels),
        result.duration_s,
        "",
        *(shown.get(genre, "") for genre in genres),
    ]


def write_csv(out: Path, results: Iterable[Result], genres: Sequence[str]) -> None:
    """
    Raises:
        OSError: the file cannot be written.
    """
    text, labels = io.StringIO(), Labels()
    table = csv.writer(text)
    table.writerow([*CSV_HEAD, *genres])
    table.writerows(csv_cells(one, _labels(one, labels), genres) for one in results)
    write_output(out, text.getvalue().encode())


def write_json(out: Path, results: Iterable[Result]) -> None:
    """Write one JSON object per line, as ``classify --json`` does.

    Raises:
        OSError: the file cannot be written.
    """
    labels = Labels()
    lines = [msgspec.json.encode(as_plain(one, _labels(one, labels))) + b"\n" for one in results]
    write_output(out, b"".join(lines))


def _labels(result: Result, labels: Labels) -> list[str]:
    return labels.of(result) if isinstance(result, Prediction) else []


class TagReport(msgspec.Struct, frozen=True, kw_only=True):
    """What writing genres to tags would do or did."""

    actions: dict[Action, int]
    """Number of files per action."""
    unlabelled: int
    """Files without a genre to write."""
    failed: list[str]
    """An error message for each file whose tags cannot be read or written."""
    journal: Path | None
    """The undo journal, if anything was written."""


def tag_files(files: Sequence[tuple[Path, Prediction]], *, force: bool, write: bool) -> TagReport:
    """Write the genre of each prediction to the tags of its file; without ``write`` only report what that would do.

    Args:
        force: replace existing genres.

    Raises:
        UserError: the undo journal cannot be written; the remaining files are unchanged.
    """
    labels, actions = Labels(), Counter[Action]()
    failed, unlabelled = recover() if write else [], 0
    with TagJournal() as journal:
        for path, prediction in files:
            genres = labels.of(prediction)
            unlabelled += not genres
            if not genres:
                continue
            try:
                planned = plan(path, genres, force=force)
                if write and planned.action is Action.WRITE:
                    write_genres(path, genres, journal)
            except AudioError as error:
                failed.append(str(error))
            else:
                actions[planned.action] += 1
    written = journal.path if write and actions[Action.WRITE] else None
    return TagReport(actions=dict(actions), unlabelled=unlabelled, failed=failed, journal=written)
