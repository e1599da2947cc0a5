"""Predictions as files, in the model's genres or own labels: CSV, JSON lines, playlists and tags. Imports no torch."""

import csv
import io
import itertools
import os
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from core.audio.files.open_file import AudioError
from core.inference.types import Prediction, Reason, Result, Unreadable, as_plain
from core.tags.journal import TagJournal
from core.tags.rewrite import recover
from core.tags.write import Action, plan, write_genres
from core.util.archive.path import is_archive
from core.util.atomic import write_output
from core.util.errors import UserError, explained
from core.util.files import read_input
from core.util.paths import folded


class LabelRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules that turn predictions into labels. As a TOML file::

    threshold = 0.4          # every genre that is at least this probable is a label, not only the likeliest

    [names]                  # the model's genre = your name for it; "" means never a label
    hiphop = "Hip-Hop"
    metal = "Rock"           # the probabilities of genres with one name are added

    [thresholds]             # by your names; they replace the threshold above
    "Hip-Hop" = 0.6
    """

    threshold: float | None = None
    names: dict[str, str] = {}
    thresholds: dict[str, float] = {}

    def __post_init__(self) -> None:
        for value in (self.threshold, *self.thresholds.values()):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"a threshold is a probability from 0 to 1, not {value:g}")

    def check(self, genres: list[str]) -> None:
        """Check that the rules suit a model with these genres.

        Raises:
            UserError: a name or a threshold refers to a genre that the model does not have.
        """
        for genre in self.names:
            if genre not in genres:
                raise UserError(f"the model knows no genre {genre!r}; it knows {', '.join(genres)}")
        own = {self.names.get(genre, genre) for genre in genres}
        for name in self.thresholds:
            if name not in own:
                raise UserError(f"there is a threshold for {name!r}, which is none of {', '.join(sorted(own - {''}))}")

    def labels_of(self, prediction: Prediction) -> list[str]:
        """The labels of a prediction, likeliest first; empty if it is uncertain.

        With a threshold, only silence and sound unlike the training music are uncertain. Without one, the likeliest
        genre of a prediction that is not uncertain becomes the label.
        """
        if prediction.reason in (Reason.SILENCE, Reason.UNKNOWN):
            return []
        probability: dict[str, float] = {}
        for genre, p in prediction.probabilities.items():
            name = self.names.get(genre, genre)
            probability[name] = probability.get(name, 0.0) + p
        ranked = sorted(probability, key=lambda name: -probability[name])
        likeliest = None if prediction.uncertain else ranked[0]
        return [name for name in ranked if name and self._earned(name, probability[name], likeliest)]

    def _earned(self, name: str, probability: float, likeliest: str | None) -> bool:
        threshold = self.thresholds.get(name, self.threshold)
        return name == likeliest if threshold is None else probability >= threshold


def read_label_rules(path: Path) -> LabelRules:
    """Read the rules from a TOML file.

    Raises:
        UserError: the file cannot be read or is invalid; the message says where.
    """
    try:
        return msgspec.convert(tomllib.loads(read_input(path).decode()), LabelRules)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{path} is not a file of labels: {error}") from error


class Playlists:
    """Collects files as they are classified; `save` writes ``FOLDER/<label>.m3u8``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, list[str]] = defaultdict(list)

    def add(self, path: Path, labels: list[str], duration_s: float) -> str | None:
        """Add a file to the playlist of each label; returns the reason if it cannot be in a playlist."""
        try:
            entry = _entry(path, duration_s, self.folder)
        except ValueError as error:
            return f"is in no playlist: {error}"
        for label in labels:
            self._entries[label].append(entry)
        return None

    def save(self) -> list[Path]:
        """Write the playlists atomically; returns their paths.

        Raises:
            UserError: the folder cannot be created or written to.
        """
        written = []
        with explained(f"no playlists can be written to {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            for label, name in _file_names(self._entries).items():
                entries = self._entries[label]
                written.append(self.folder / f"{name}.m3u8")
                write_output(written[-1], ("#EXTM3U\n" + "".join(entries)).encode())
        return written


def write_playlist(out: Path, files: Iterable[tuple[Path, float]]) -> list[str]:
    """Write a playlist of files with their lengths in seconds; returns a message for each file that it cannot contain.

    Raises:
        OSError: it cannot be written.
    """
    entries, skipped = [], []
    for path, duration_s in files:
        try:
            entries.append(_entry(path, duration_s, out.parent))
        except ValueError as error:
            skipped.append(f"{path} is not in the playlist: {error}")
    write_output(out, ("#EXTM3U\n" + "".join(entries)).encode())
    return skipped


def _entry(path: Path, duration_s: float, folder: Path) -> str:
    """The lines of a file in a playlist in ``folder``.

    Raises:
        ValueError: the file cannot be in a playlist.
    """
    if is_archive(path):
        raise ValueError("it is in an archive, which players do not open")
    # Players resolve ".." from the real path of the playlist.
    entry = os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
    try:
        entry.encode()
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8") from None
    if "\n" in entry or "\r" in entry:
        raise ValueError("its name holds a line break")
    if entry.startswith("#"):
        entry = f"./{entry}"  # otherwise it would be a comment
    return f"#EXTINF:{round(duration_s)},{path.stem}\n{entry}\n"


def _file_names(labels: Iterable[str]) -> dict[str, str]:
    """A file name for each label that is valid on any file system; duplicates are numbered."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        plain = "".join("-" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in label).strip(". ") or "unnamed"
        numbered = (f"{plain}-{number}" if number > 1 else plain for number in itertools.count(1))
        names[label] = next(name for name in numbered if folded(name) not in taken)
        taken.add(folded(names[label]))
    return names


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
    """Write one row per file, with a column for each of ``genres``, as ``classify --csv`` does.

    Raises:
        OSError: the file cannot be written.
    """
    text, label_rules = io.StringIO(), LabelRules()
    table = csv.writer(text)
    table.writerow([*CSV_HEAD, *genres])
    table.writerows(csv_cells(one, _labels(one, label_rules), genres) for one in results)
    write_output(out, text.getvalue().encode())


def write_json(out: Path, results: Iterable[Result]) -> None:
    """Write one JSON object per line, as ``classify --json`` does.

    Raises:
        OSError: the file cannot be written.
    """
    label_rules = LabelRules()
    lines = [msgspec.json.encode(as_plain(one, _labels(one, label_rules))) + b"\n" for one in results]
    write_output(out, b"".join(lines))


def _labels(result: Result, label_rules: LabelRules) -> list[str]:
    return label_rules.labels_of(result) if isinstance(result, Prediction) else []


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
    label_rules, actions = LabelRules(), Counter[Action]()
    failed, unlabelled = recover() if write else [], 0
    with TagJournal() as journal:
        for path, prediction in files:
            genres = label_rules.labels_of(prediction)
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
