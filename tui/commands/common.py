"""What several commands share."""

import argparse
import contextlib
import gc
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from core.runs.directory import default_runs_dir, find
from core.runs.folder import RunFolder
from tui.text.formatting import clock


def add_runs_option(parser: argparse.ArgumentParser) -> None:
    # The same option stands before the command; what is said there holds unless it is said again.
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where the runs live (GENRE_TUI_RUNS, or ./runs)",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN and --runs."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, its name, or a unique beginning of the name")
    add_runs_option(parser)


def runs_dir(args: argparse.Namespace) -> Path:
    chosen: Path | None = args.runs
    return chosen or default_runs_dir()


def run_folder(args: argparse.Namespace) -> RunFolder:
    """The run that the arguments name.

    Raises:
        UserError: there is none, or there are several.
    """
    return find(runs_dir(args), args.run)


def narrate(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Progress:
    """``progress(done, total)`` narrates now and then: a line that is rewritten on a terminal, lines elsewhere."""

    PATIENCE = 2.0
    """Seconds before the first word, and between two on what is no terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()
        self._open = False

    def __call__(self, done: int, total: int, *_: int) -> None:
        if done < total and time.monotonic() - self._told < (0.2 if self._open else self.PATIENCE):
            return
        self._told = time.monotonic()
        if sys.stderr.isatty():
            if done < total or self._open:
                print(f"\r{done:,} of {total:,} {self._what}\x1b[K", end="", file=sys.stderr, flush=True)
                self._open = True
            if done >= total and self._open:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
                self._open = False
        elif done < total:
            narrate(f"{done:,} of {total:,} {self._what}")


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """For imports: they make a million objects and no garbage, and looking for it takes a sixth of torch's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def add_settings_option(parser: argparse.ArgumentParser, help: str) -> None:
    """``--set FIELD=VALUE``, as often as wanted; `tui.commands.runs.train.recipe_from` reads it."""
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings", help=help)


REDRAW_SECONDS = 0.1
PATIENCE_SECONDS = 0.5
"""Work that is done by then shows no bar."""


class ProgressBar:
    def __init__(self, total: int, noun: str) -> None:
        self._total, self._noun = total, noun
        self._done = 0
        self._began = self._drawn = time.monotonic()
        self._shown = False
        self._terminal = sys.stderr.isatty()

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        patient = now - self._began < PATIENCE_SECONDS or now - self._drawn < REDRAW_SECONDS
        if self._terminal and not patient and self._done < self._total:
            self._drawn = now
            self._draw(self._text(now - self._began))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """The bar makes room for what is printed inside."""
        self._erase()
        yield

    def _text(self, seconds: float) -> str:
        rate = self._done / seconds
        figures = (
            f" {self._done:,}/{self._total:,} {self._noun} · {rate:.1f}/s · "
            f"{clock((self._total - self._done) / rate)} left"
        )
        width = min(40, shutil.get_terminal_size().columns - len(figures) - 1)
        filled = round(width * self._done / self._total) if width > 0 else 0
        return "━" * filled + "─" * max(0, width - filled) + figures

    def _draw(self, text: str) -> None:
        sys.stdout.flush()
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        self._shown = True

    def _erase(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._erase()
