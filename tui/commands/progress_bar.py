"""A bar on standard error, where that is a terminal; nothing elsewhere."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tui.figures import clock

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
