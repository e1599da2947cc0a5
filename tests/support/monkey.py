"""Random keys, clicks, drags and resizes, from a seed: what a cat on the keyboard does to the app.

It never leaves the app, writes no tags and sends no signals, and types no slashes into fields, so that what it does
stays in its folder.
"""

import random
import shutil
from pathlib import Path

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from core.runs.directory import list_runs
from tests.support import example_run as made_up_run
from tests.support.pilot import drag, text, turn_wheel
from tui.app import GenreApp
from tui.classify.screen import ClassifyScreen
from tui.dialogs.questions import ConfirmScreen
from tui.runs.screen import RunsScreen

SIZES = ((20, 5), (40, 12), (80, 24), (100, 30), (120, 40), (160, 45), (200, 60))
MOVES = ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "enter", "escape", "space")
CONTROLS = ("ctrl+d", "ctrl+u", "ctrl+t", "ctrl+y", "ctrl+r", "ctrl+p", "f2", "f6", "alt+1", "alt+3")
OTHERS = (*CONTROLS, "shift+left", "shift+right", "shift+up", "shift+down", "shift+tab", "backspace", "delete")
TEXT = ("plus", "semicolon", "question_mark", "slash", *"abcdefghijklmnoprstuvwxyzRSCGP0123456789.,:<>[]!=-_'()*#~é日")
WAYS = ("1", "2", "3", "4", "5", "n", "c", "1", "2", "1")
MOST_ESCAPES = 20


class Monkey:
    """Acts on the app of a pilot, and remembers what it did."""

    def __init__(self, pilot: Pilot[None], runs: Path, seed: int) -> None:
        self.pilot = pilot
        self.runs = runs
        self.chance = random.Random(seed)
        self.done: list[str] = []

    @property
    def screen(self) -> Screen[object]:
        return self.pilot.app.screen

    async def play(self, steps: int) -> None:
        """So many acts, and then back to Runs with keys alone.

        Raises:
            AssertionError: the app does not come back, or nothing on the screen has the focus.
        """
        for _ in range(steps):
            act = self.chance.choices(
                (self._key, self._text, self._way, self._click, self._drag, self._scroll, self._resize, self._disk),
                (40, 20, 8, 12, 3, 3, 4, 3),
            )[0]
            await act()
        await self.return_to_runs()

    async def return_to_runs(self) -> None:
        await self.pilot.resize_terminal(120, 40)
        for _ in range(MOST_ESCAPES):
            if isinstance(self.screen, RunsScreen) and not isinstance(self.screen.focused, Input):
                break
            if isinstance(self.screen, ConfirmScreen):
                await self._press("y")
            await self._press("escape")
            if not isinstance(self.screen.focused, Input):
                await self._press("1")
        assert isinstance(self.screen, RunsScreen), self._story("does not come back to Runs")
        assert self.screen.focused is not None, self._story("nothing has the focus")

    def _story(self, what: str) -> str:
        return f"{what} after {' '.join(self.done[-60:])}\n{text(self.pilot)}"

    async def _press(self, key: str) -> None:
        self.done.append(key)
        await self.pilot.press(key)

    def _may(self, key: str) -> bool:
        if isinstance(self.screen.focused, Input):
            return key != "slash"
        if isinstance(self.screen, ClassifyScreen):
            return key not in ("K", "q", "w", "ctrl+p")
        return key != "K" and not (key == "q" and isinstance(self.screen, RunsScreen))

    async def _key(self) -> None:
        key = self.chance.choice(self.chance.choice((MOVES, MOVES, OTHERS, TEXT)))
        if self._may(key):
            await self._press(key)

    async def _text(self) -> None:
        for _ in range(self.chance.randrange(1, 5)):
            key = self.chance.choice(TEXT)
            if self._may(key):
                await self._press(key)

    async def _way(self) -> None:
        await self._press(self.chance.choice(WAYS))

    def _place(self) -> tuple[int, int]:
        size = self.pilot.app.size
        return self.chance.randrange(size.width), self.chance.randrange(size.height)

    async def _click(self) -> None:
        place = self._place()
        self.done.append(f"click{place}")
        await self.pilot.click(offset=place, times=self.chance.choice((1, 1, 2)))

    async def _drag(self) -> None:
        begin, end = self._place(), self._place()
        self.done.append(f"drag{begin}-{end}")
        await drag(self.pilot, begin, end)

    async def _scroll(self) -> None:
        x, y = self._place()
        up = self.chance.choice((True, False))
        self.done.append(f"{'scroll up' if up else 'scroll down'}({x}, {y})")
        await turn_wheel(self.pilot, x, y, up=up)

    async def _resize(self) -> None:
        size = self.chance.choice(SIZES)
        self.done.append(f"resize{size}")
        await self.pilot.resize_terminal(*size)

    async def _disk(self) -> None:
        """What other terminals do meanwhile: a run goes, comes, or grows."""
        folders = [run for run in list_runs(self.runs) if not run.is_alive()]
        number = self.chance.randrange(1000)
        match self.chance.randrange(3):
            case 0 if folders:
                run = self.chance.choice(folders)
                self.done.append(f"rm({run.name})")
                shutil.rmtree(run.path, ignore_errors=True)
            case 1 if folders:
                run = self.chance.choice(folders)
                self.done.append(f"grow({run.name})")
                made_up_run.append(run.path, list(made_up_run.epochs(number, number + 1)))
            case _:
                self.done.append(f"new({number})")
                made_up_run.write_run(self.runs / f"new-{number}", made_up_run.variant(number % 8, epochs=3))


def stay(app: GenreApp) -> None:
    """Keys that leave the app do nothing while a monkey is at it."""
    app.exit = lambda *_, **__: None  # type: ignore[method-assign]
