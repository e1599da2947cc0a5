"""``classify --join PART...``: the results of several machines, put together in the order of the files."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from core.inference.types import Prediction, Result, Unreadable
from core.util.errors import UserError
from core.util.text import printable
from tui.shell.printing import print_note


class _Line(msgspec.Struct):
    """The fields that distinguish a prediction from an error, and the known genre."""

    path: str
    error: str | None = None
    known_genre: str | None = None


class Joined:
    """
    Attributes:
        results: a result of each part in turn, for the I-th of N shares holds every N-th file from the I-th on.
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
        self.results: list[Result] = [
            result for turn in itertools.zip_longest(*shares) for result in turn if result is not None
        ]
        if max(map(len, shares)) - min(map(len, shares)) > 1:
            counts = ", ".join(f"{path.name} {len(one):,}" for path, one in zip(paths, shares, strict=True))
            print_note(f"these are not equal shares of one list of files, so a part may be incomplete: {counts}")

    @property
    def genres(self) -> list[str]:
        """Of all predictions, in the order in which they appear."""
        named = (result.probabilities for result in self.results if isinstance(result, Prediction))
        return list(dict.fromkeys(itertools.chain.from_iterable(named)))

    def _read(self, path: Path) -> Iterator[Result]:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise UserError(f"{printable(path)} cannot be read: {error.strerror or error}") from error
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
    """Sorts part-2 before part-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]
