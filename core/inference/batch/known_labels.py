"""The accuracy for classified files whose genres are known from folders, a table, tags or a public collection.

>>> known = known_labels(folder, classifier.genres)           # doctest: +SKIP
>>> if known is not None:                                     # doctest: +SKIP
...     comparison = known.compare(results, classifier.genres, classifier.learnt)
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePath

import msgspec

from core.dataset.clip import DatasetError
from core.dataset.labels.folders import unwrapped
from core.dataset.labels.source import read_labels
from core.dataset.settings import LabelSettings
from core.inference.types import Prediction, Result
from core.reports.metrics import confusion_lines, macro_f1
from core.runs.journal.log_lines import percent
from core.util.archive.path import ArchivePath, as_path
from core.util.errors import ArchiveError
from core.util.text import counted, printable

KNOWN_SHARE = 0.5
"""Share of a folder's labelled files whose genres the model must know for detected labels to be used."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions compared with the labels of their files.

    For uncertain predictions the likeliest genre counts. Files of genres that the model does not know are left out.
    """

    path: str
    """The folder."""
    label_source: str
    """``labels: a folder per genre; 96 files of 10 genres``"""
    genres: list[str]
    confusion: list[list[int]]
    """Rows are labels and columns are predictions, in the order of ``genres``."""
    uncertain: int
    """Of ``files``."""
    learnt: int
    """How many of ``files`` the model was trained on or selected by; these do not measure its accuracy."""
    strangers: dict[str, int]
    """Number of files of each genre that the model does not know."""
    files: int = 0
    """Classified files with a genre that the model knows."""
    correct: int = 0
    accuracy: float | None = None
    """None if there are no such files."""
    macro_f1: float | None = None

    def __post_init__(self) -> None:
        """Compute the last four fields from the confusion matrix."""
        files = sum(map(sum, self.confusion))
        force = msgspec.structs.force_setattr
        force(self, "files", files)
        force(self, "correct", sum(row[i] for i, row in enumerate(self.confusion)))
        force(self, "accuracy", self.correct / files if files else None)
        force(self, "macro_f1", macro_f1(self.confusion) if files else None)

    def lines(self) -> list[str]:
        """Label source, accuracy and confusion matrix as text."""
        lines = [f"{self.path}: {self.label_source}"]
        if self.strangers:
            named = ", ".join(f"{printable(genre)} ({count:,})" for genre, count in self.strangers.items())
            lines.append(f"of genres that the model does not know, not counted: {named}")
        if self.accuracy is None or self.macro_f1 is None:
            return [*lines, "no file of a genre that the model knows could be classified"]
        uncertain = f"; {self.uncertain:,} uncertain, counted by the likeliest genre" if self.uncertain else ""
        lines.append(
            f"accuracy {percent(self.accuracy)} ({self.correct:,} of {counted(self.files, 'file')}), "
            f"macro F1 {self.macro_f1:.3f}{uncertain}"
        )
        if self.learnt:
            lines.append(f"the model was trained on or selected by {self.learnt:,} of them: not a measure of accuracy")
        return [*lines, *confusion_lines(self.genres, self.confusion)]


class KnownLabels:
    """The genre of each labelled file of a folder, in the model's spelling if the model knows it."""

    def __init__(self, folder: Path, label_source: str, genre_of: Mapping[str, str]) -> None:
        """Args:
        genre_of: the genre by path.
        """
        self._folder, self._source = folder, label_source
        self._genre_of = {_key(path): genre for path, genre in genre_of.items()}

    def genre_of(self, path: str | os.PathLike[str]) -> str | None:
        """The label of a file; None if it has none."""
        return self._genre_of.get(_key(path))

    def compare(self, results: Iterable[Result], genres: Sequence[str], learnt: Collection[str] = ()) -> Comparison:
        """The accuracy of the predictions in ``results`` whose files are labelled.

        Args:
            genres: the model's.
            learnt: ``genre/name`` of the clips that it was trained on or selected by (`Classifier.learnt`).
        """
        index = {genre: i for i, genre in enumerate(genres)}
        confusion = [[0] * len(genres) for _ in genres]
        strangers: Counter[str] = Counter()
        uncertain = known = 0
        for result in results:
            if not isinstance(result, Prediction) or (label := self.genre_of(result.path)) is None:
                continue
            if label not in index:
                strangers[label] += 1
                continue
            confusion[index[label]][index[result.genre]] += 1
            uncertain += result.uncertain
            known += f"{label}/{PurePath(result.path).stem}" in learnt
        return Comparison(
            path=printable(self._folder),
            label_source=self._source,
            genres=list(genres),
            confusion=confusion,
            uncertain=uncertain,
            learnt=known,
            strangers=dict(strangers.most_common()),
        )


def known_labels(folder: Path, genres: Sequence[str], settings: LabelSettings | None = None) -> KnownLabels | None:
    """The labels of the audio files below ``folder``, or in an archive; loads no torch.

    Labels match a genre of the model if their letters and digits are equal: Hip-Hop matches hiphop.

    Args:
        genres: the model's.
        settings: where the labels come from. By default they are detected; the result is None if there are none, or if
            most are not genres of the model, as with folders named after artists.

    Raises:
        DatasetError: ``settings`` name labels that cannot be read.
        OSError: the folder cannot be listed.
    """
    spelling = {_letters(genre): genre for genre in genres}
    try:
        inside = as_path(folder)
        root = unwrapped(inside) if isinstance(inside, ArchivePath) else inside
        source = read_labels(root, settings or LabelSettings())
    except DatasetError:
        if settings is not None:
            raise
        return None
    except ArchiveError:  # it is reported when the archive is searched for audio
        return None
    named = [spelling.get(_letters(genre), genre) for genre in source.genres]
    if settings is None and sum(genre in genres for genre in named) <= KNOWN_SHARE * len(named):
        return None
    paths = [os.fspath(file.path) for file in source.files]
    return KnownLabels(folder, source.description, dict(zip(paths, named, strict=True)))


def _key(path: str | os.PathLike[str]) -> str:
    """The absolute path of a file, escaped as in predictions."""
    return printable(os.path.abspath(path))  # noqa: PTH100 - keeps links


def _letters(genre: str) -> str:
    return "".join(filter(str.isalnum, genre.casefold()))
