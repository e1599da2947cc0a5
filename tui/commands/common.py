"""Options and progress bars that several commands share, and the label options of commands that read a dataset."""

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from core.dataset.clip import MOST_EXCERPTS, ExcerptRule
from core.dataset.settings import KINDS, LabelSettings
from core.runs.directory import find
from core.runs.folder import RunFolder
from core.util.errors import UserError, reason
from core.util.files import typed_path
from tui.formatting import clock
from tui.shell.printing import UsageError, print_note, write_notes
from tui.shell.settings import Settings, SettingsError, default_runs_dir, read_settings, settings_file


def add_runs_option(parser: argparse.ArgumentParser) -> None:
    # The same option stands before the command; its value there holds unless it is given again.
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder with the runs (GENRE_TUI_RUNS, the setting runs, or ./runs)",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN and --runs."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, its name, or a unique beginning of the name")
    add_runs_option(parser)


def add_device_option(parser: argparse.ArgumentParser, *, default: str | None = "auto") -> None:
    parser.add_argument(
        "--device", default=default, metavar="auto|cpu|cuda[:N]|mps", help="device that the network runs on (auto)"
    )


def add_settings_option(parser: argparse.ArgumentParser, help: str) -> None:
    """``--set FIELD=VALUE``, repeatable; `tui.commands.runs.train.recipe_from` reads it."""
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings", help=help)


EXCERPTS_HELP = "parts of each file that are used: first, middle, or a number of them at most, spread over the file"


def excerpt_rule(text: str) -> ExcerptRule:
    """The type of an option for `EXCERPTS_HELP`."""
    if text in ("first", "middle"):
        return "first" if text == "first" else "middle"
    if text.isdecimal() and 1 <= int(text) <= MOST_EXCERPTS:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be first, middle or a number from 1 to {MOST_EXCERPTS}, not {text!r}")


def runs_dir(args: argparse.Namespace) -> Path:
    chosen: Path | None = args.runs
    return chosen or default_runs_dir()


def user_settings() -> Settings:
    """The user's settings. What is wrong with them is a note, and the defaults hold in its place."""
    try:
        settings, mistakes = read_settings(settings_file())
    except SettingsError as error:
        settings, mistakes = Settings(), [str(error)]
    for mistake in mistakes:
        print_note(f"genre-tui: {mistake}")
    return settings


def run_folder(args: argparse.Namespace) -> RunFolder:
    """The run that the arguments name.

    Raises:
        UserError: the run does not exist, or there are several.
    """
    return find(runs_dir(args), args.run)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write ``path``, an output that the user named, into one sentence.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of standard output has gone
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be written ({reason(error).lower()})") from error


REDRAW_SECONDS = 0.1
"""Between two drawings of a bar on a terminal."""
LINE_SECONDS = 5.0
"""Between two lines in a log or pipe."""
PATIENCE_SECONDS = 0.5
"""Work that is done by then shows no progress."""
BAR_CELLS = 40


class Progress:
    """Progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

    Call it with the number done, and the total where the constructor did not get it.
    """

    def __init__(self, noun: str, total: int = 0) -> None:
        self._noun, self._total, self._done = noun, total, 0
        self._start = time.monotonic()
        self._shown_at = self._start
        self._drawn = False
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, done: int, total: int | None = None, *_: int) -> None:
        self._done, self._total = done, self._total if total is None else total
        now = time.monotonic()
        if done >= self._total:
            self._erase()
            self._start = now  # the same bar may count again
            return
        interval = REDRAW_SECONDS if self._terminal else LINE_SECONDS
        if now - self._start < PATIENCE_SECONDS or now - self._shown_at < interval:
            return
        self._shown_at = now
        if self._terminal:
            self._draw(now - self._start)
        else:
            print_note(f"{done:,} of {self._total:,} {self._noun}, {self._left(now - self._start)} left")

    def advance(self) -> None:
        self(self._done + 1)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Remove the bar while the block prints something else."""
        self._erase()
        yield

    def _draw(self, seconds: float) -> None:
        rate = self._done / seconds
        figures = f" {self._done:,}/{self._total:,} {self._noun} · {rate:.1f}/s · {self._left(seconds)} left"
        width = max(0, min(BAR_CELLS, shutil.get_terminal_size().columns - len(figures) - 1))
        filled = round(width * self._done / self._total)
        write_notes(f"\r{'━' * filled}{'─' * (width - filled)}{figures}\x1b[K")
        self._drawn = True

    def _left(self, seconds: float) -> str:
        return clock((self._total - self._done) * seconds / self._done) if self._done else "–"

    def _erase(self) -> None:
        if self._drawn:
            write_notes("\r\x1b[K")
            self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._erase()


DATA_HELP = (
    "music in a folder per genre, with a table or with tags; a public collection; an archive of these; or a feature "
    "pack"
)


def add_label_options(
    parser: argparse.ArgumentParser,
    title: str = "labels",
    description: str = "By default the source is detected, and named.",
    map_option: str = "--map",
) -> None:
    """
    Args:
        map_option: name of the option that merges genres, where the command has another ``--map``.
    """
    group = parser.add_argument_group(title, description)
    group.add_argument(
        "--labels",
        metavar="FILE|tags|folders",
        help="a table of files and genres (CSV, TSV, JSON lines, Parquet, or a public collection's own); the files' "
        "tags; or the folders' names",
    )
    group.add_argument("--path-column", metavar="COLUMN", help="column of the table that names the files")
    group.add_argument("--label-column", metavar="COLUMN", help="column of the table that holds the genres")
    group.add_argument(
        "--multiple",
        choices=("first", "specific", "frequent", "drop"),
        help="which of several genres of a file counts; drop leaves such files out (first)",
    )
    group.add_argument(
        map_option,
        dest="label_map",
        metavar="FILE",
        help="table of two columns that merges names, such as Hip Hop,hiphop",
    )
    group.add_argument("--min-clips", type=int, metavar="N", help="leave out genres with fewer files (1)")
    group.add_argument("--tree", metavar="FILE", help="table of genres and their parents: child,parent")
    group.add_argument("--level", choices=("top", "leaf"), help="take the roots of the tree, or the finest genres")


def label_settings(args: argparse.Namespace) -> LabelSettings:
    """The settings that the options make, with absolute paths.

    Raises:
        UsageError: a value is invalid.
    """
    given = {
        "path_column": args.path_column,
        "label_column": args.label_column,
        "multiple": args.multiple,
        "min_clips": args.min_clips,
        "level": args.level,
        "map": _absolute(args.label_map),
        "tree": _absolute(args.tree),
    }
    source = args.labels
    if source is not None:
        given["source"] = source if source in KINDS else _absolute(source)
    try:
        return LabelSettings(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error


def named_labels(args: argparse.Namespace) -> LabelSettings | None:
    """The same; None where no option says anything about labels."""
    settings = label_settings(args)
    return None if settings == LabelSettings() and args.labels is None else settings


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(typed_path(path))
