"""The outputs of ``classify``: a table, JSON, CSV, and genres in tags, which can be undone; the final tally; and the
outputs of several machines joined."""

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec
from rich.cells import cell_len

from core.audio.files.open_file import AudioError
from core.inference.batch.export import CSV_HEAD, LabelRules, csv_cells
from core.inference.types import Prediction, Result, Unreadable, as_plain
from core.tags.journal import TagJournal
from core.tags.rewrite import recover
from core.tags.write import Action, TagPlan, Undone, plan, undo_journal, write_genres
from core.util.atomic import open_output
from core.util.errors import UserError, explained
from core.util.files import LARGE_FILE_BYTES, read_input
from core.util.text import counted, printable
from tui.commands.common import writing
from tui.formatting import ending, padded, widest
from tui.shell.printing import DONE, FAILED, print_data, print_json, print_line, print_note


class Tagger:
    """Plans, and with ``write`` does, one file's tags after another."""

    def __init__(self, *, write: bool, force: bool) -> None:
        self.write, self._force = write, force
        self._journal = TagJournal()
        self._changed = 0
        _recover()

    def tag(self, path: Path, genres: list[str]) -> TagPlan:
        """
        Raises:
            AudioError: the file's format has no tags, or it cannot be read or written.
            UserError: the journal cannot be written.
        """
        planned = plan(path, genres, force=self._force)
        if planned.action is Action.WRITE:
            if self.write:
                write_genres(path, genres, self._journal)
            self._changed += 1
        return planned

    def summary(self) -> str:
        files = counted(self._changed, "file")
        if not self.write:
            return f"tags: {files} would get a genre; nothing is written without --yes"
        if not self._changed:
            return "tags: no file was changed"
        return f"tags: wrote {files}; undo with: genre-tui classify --undo-tags {self._journal.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()


def undo_tags(journal: Path | None) -> int:
    """Undo a journal, the last change first; returns the exit status.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    _recover()
    report = undo_journal(journal)
    for trouble in report.failed:
        print_note(f"genre-tui: {trouble}")
    for change, done in report.changes:
        print_line(f"{change.path}: {_named(change.after)} → {_named(change.before)}")
        if done is Undone.GENRE_ONLY:
            print_note(f"genre-tui: {change.path}: {_INEXACT}")
    undone, failed = len(report.changes), len(report.failed)
    exact = f"; {report.inexact} in the genre only" if report.inexact else ", byte for byte" if undone else ""
    print_note(
        f"undid {counted(undone, 'change')} of {report.journal}{exact}"
        + (f"; {failed} could not be undone" if failed else "")
    )
    return FAILED if failed else DONE


_INEXACT = "has changed since in other ways, so only its genre is restored, not its earlier bytes"


def _recover() -> None:
    """Finish or remove what a killed command left."""
    for trouble in recover():
        print_note(f"genre-tui: {trouble}")


def _named(genres: list[str]) -> str:
    return ", ".join(genres) or "no genre"


class _Line(msgspec.Struct):
    """The fields that distinguish a prediction from an error, and the known genre."""

    path: str
    error: str | None = None
    known_genre: str | None = None


class Joined:
    """
    Attributes:
        results: a result of each part in turn, because the I-th of N shares holds every N-th file from the I-th on.
        known_genres: by path, for files whose genres were known.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        """
        Raises:
            UserError: a part cannot be read, or does not hold lines of ``classify --json``.
        """
        self.known_genres: dict[str, str] = {}
        paths = sorted(map(Path, parts), key=_natural)
        shares = [list(self._read(path)) for path in paths]
        joined = [result for turn in itertools.zip_longest(*shares) for result in turn if result is not None]
        firsts: dict[str, Result] = {}
        for result in joined:
            firsts.setdefault(str(result.path), result)
        self.results = list(firsts.values())
        if again := len(joined) - len(self.results):
            print_note(f"{counted(again, 'result')} of files that another part has, too: the first of each counts")
        if max(map(len, shares)) - min(map(len, shares)) > 1:
            counts = ", ".join(f"{path.name} {len(one):,}" for path, one in zip(paths, shares, strict=True))
            print_note(f"these are not equal shares of one list of files, so a part may be incomplete: {counts}")

    @property
    def genres(self) -> list[str]:
        """Of all predictions, in the order in which they appear."""
        named = (result.probabilities for result in self.results if isinstance(result, Prediction))
        return list(dict.fromkeys(itertools.chain.from_iterable(named)))

    def _read(self, path: Path) -> Iterator[Result]:
        with explained(f"{printable(path)} cannot be read"):
            lines = read_input(path, LARGE_FILE_BYTES).splitlines()
        for number, text in enumerate(lines, start=1):
            try:
                line = msgspec.json.decode(text, type=_Line)
                if line.error is not None:
                    yield Unreadable(path=line.path, error=line.error)
                    continue
                yield msgspec.json.decode(text, type=Prediction)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if b'"confusion"' in text:
                    continue  # the accuracy of a whole folder
                raise UserError(f"line {number} of {printable(path)} is not a line of classify --json") from None
            if line.known_genre is not None:
                self.known_genres[line.path] = line.known_genre


def _natural(path: Path) -> list[tuple[int, str]]:
    """A sort key that puts part-2 before part-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]


if TYPE_CHECKING:
    from core.inference.batch.export import Playlists

PATH_CELLS = 60


@dataclass
class FileResult:
    """One file: its prediction or error, and what was done with it."""

    result: Result
    labels: list[str] = field(default_factory=list)
    tag: TagPlan | None = None
    written: bool = False
    """Whether the tag was written rather than only planned."""
    known_genre: str | None = None
    """What the file is labelled with, where that is known."""
    problems: list[str] = field(default_factory=list)
    """Warnings and failures besides the prediction, each without the file's name."""

    def notes(self) -> Iterator[str]:
        """Lines for standard error."""
        if isinstance(self.result, Unreadable):
            yield f"genre-tui: {self.result.path}: {self.result.error}"
        for problem in self.problems:
            yield f"genre-tui: {self.result.path}: {problem}"

    def plain(self, top: int | None) -> dict[str, Any]:
        """For JSON."""
        plain = as_plain(self.result, self.labels, top)
        if self.known_genre is not None:
            plain["known_genre"] = self.known_genre
        if self.tag is not None:
            plain["tag"] = {**msgspec.to_builtins(self.tag), "written": self.written}
        return plain


class Tally:
    """Counts the results, and writes tags and playlists for them."""

    def __init__(self) -> None:
        self.classified = self.uncertain = self.unreadable = self.with_problems = 0

    @property
    def failed(self) -> bool:
        return bool(self.unreadable or self.with_problems)

    def add(
        self,
        found: object,
        result: Result,
        label_rules: LabelRules,
        tagger: "Tagger | None",
        playlists: "Playlists | None",
    ) -> FileResult:
        if isinstance(result, Unreadable):
            self.unreadable += 1
            return FileResult(result)
        self.classified += 1
        self.uncertain += result.uncertain
        one = FileResult(result, label_rules.labels_of(result))
        if result.warning:
            one.problems.append(result.warning)
        assert isinstance(found, Path)  # only a path has a prediction
        if tagger is not None and one.labels:
            try:
                one.tag = tagger.tag(found, one.labels)
                one.written = tagger.write and one.tag.action is Action.WRITE
            except AudioError as error:
                self.with_problems += 1
                one.problems.append(error.reason)
        if playlists is not None and (problem := playlists.add(found, one.labels, result.duration_s)):
            self.with_problems += 1
            one.problems.append(problem)
        return one

    def summary(self, seconds: float) -> str:
        files = self.classified + self.unreadable
        parts = [f"{counted(files, 'file')} in {seconds:.1f} s ({files / max(seconds, 1e-9):.1f} per second)"]
        if self.uncertain:
            parts.append(f"{self.uncertain:,} uncertain")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} unreadable")
        if self.with_problems:
            parts.append(f"{self.with_problems:,} with problems")
        return ", ".join(parts)


class Output(Protocol):
    def put(self, one: FileResult) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class JsonOutput(contextlib.AbstractContextManager["JsonOutput"]):
    """One JSON object per line."""

    def __init__(self, top: int | None) -> None:
        self._top = top

    def put(self, one: FileResult) -> None:
        print_json(one.plain(self._top))

    def __exit__(self, *error: object) -> None:
        pass


class CsvOutput(contextlib.AbstractContextManager["CsvOutput"]):
    """A row per file. A regular file is replaced at the end; a FIFO, a device and ``-`` get each row at once."""

    def __init__(self, path: Path, genres: Sequence[str], top: int | None) -> None:
        self._path, self._genres, self._top = path, genres, top
        self._stack = contextlib.ExitStack()
        with writing(path):
            self._file = None if path == Path("-") else self._stack.enter_context(open_output(path, "w", newline=""))
        self._write([*CSV_HEAD, *genres])

    def put(self, one: FileResult) -> None:
        self._write(csv_cells(one.result, one.labels, self._genres, self._top))

    def _write(self, cells: Sequence[object]) -> None:
        row = io.StringIO()
        csv.writer(row).writerow(cells)
        if self._file is None:
            print_data(row.getvalue(), end="")
        else:
            with writing(self._path):
                self._file.write(row.getvalue())

    def __exit__(self, *error: Any) -> None:
        with writing(self._path):
            self._stack.__exit__(*error)


class TableOutput(contextlib.AbstractContextManager["TableOutput"]):
    """For people: genre, file, runners-up. Unreadable files are named on standard error."""

    UNCERTAIN = "uncertain"

    def __init__(self, genres: Sequence[str], found: Sequence[object], top: int) -> None:
        self._top = top
        self._genre_cells = widest((self.UNCERTAIN, *genres))
        lengths = [cell_len(printable(path)) for path in found if isinstance(path, Path)]
        self._path_cells = min(PATH_CELLS, max(lengths, default=0))

    def put(self, one: FileResult) -> None:
        prediction = one.result
        if isinstance(prediction, Unreadable):
            return
        print_line(self.line(one, prediction))

    def line(self, one: FileResult, prediction: Prediction) -> str:
        ranked = [f"{genre} {p:.0%}" for genre, p in prediction.top(self._top)]
        if prediction.uncertain:
            head = f"{padded(self.UNCERTAIN, self._genre_cells)}      "
            rest = f"{', '.join(ranked)} ({prediction.reason})"
        else:
            head = f"{padded(prediction.genre, self._genre_cells)} {prediction.probability:>4.0%} "
            rest = ", ".join(ranked[1:])
        notes = [rest] if rest else []
        if one.labels not in ([], [prediction.genre]):
            notes.append(f"[{', '.join(one.labels)}]")
        if one.known_genre not in (None, prediction.genre):
            notes.append(f"labelled {one.known_genre}")
        if prediction.nearest:
            notes.append("sounds like " + ", ".join(f"{clip.genre}/{clip.name}" for clip in prediction.nearest))
        if one.tag is not None:
            notes.append(_tag_note(one.tag, one.written))
        path = ending(prediction.path, self._path_cells)
        return f"{head} {padded(path, self._path_cells)}  {'  '.join(notes)}".rstrip()

    def __exit__(self, *error: object) -> None:
        pass


def _tag_note(plan: TagPlan, written: bool) -> str:
    before, after = ", ".join(plan.before), ", ".join(plan.after)
    if plan.action is Action.KEEP:
        return f"tag: keeps {before}"
    if plan.action is Action.SAME:
        return f"tag: is {before}"
    return f"tag: {'' if written else 'would be '}{before + ' → ' if before else ''}{after}"
