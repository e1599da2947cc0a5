"""Driving the app by its Pilot: waiting for what is on the screen instead of for a while."""

import asyncio
import time
from collections.abc import Callable

from textual.events import MouseEvent, MouseMove, MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot
from textual.screen import Screen

PATIENCE = 60.0
"""Seconds after which something that should have happened counts as missing; the machine may be busy."""


async def until(pilot: Pilot[None], holds: Callable[[], bool], what: str = "") -> None:
    """Wait until ``holds()``; the app works meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, (
            f"waited {PATIENCE:g} s for {what or holds}; the screen shows\n{text(pilot)}"
        )
        await pilot.pause()
        await asyncio.sleep(0.02)
    await pilot.pause()


async def until_shown(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all of ``texts`` stand on the screen."""
    await until(pilot, lambda: all(part in text(pilot) for part in texts), f"{texts}")


async def until_gone(pilot: Pilot[None], part: str) -> None:
    await until(pilot, lambda: part not in text(pilot), f"{part!r} to go")


async def type_text(pilot: Pilot[None], keys: str) -> None:
    await pilot.press(*keys)


async def drag(pilot: Pilot[None], begin: tuple[int, int], end: tuple[int, int]) -> None:
    """Press the button at a cell of the screen, move to another, and release it there."""
    await pilot.mouse_down(offset=begin)
    for x, y in (begin, end):
        pilot.app.screen._forward_event(_mouse(MouseMove, x, y, button=1))
        await pilot.pause()
    await pilot.mouse_up(offset=end)


async def turn_wheel(pilot: Pilot[None], x: int, y: int, *, up: bool = True) -> None:
    """Turn the mouse's wheel over a cell of the screen."""
    pilot.app.screen._forward_event(_mouse(MouseScrollUp if up else MouseScrollDown, x, y))
    await pilot.pause()


def _mouse(kind: type[MouseEvent], x: int, y: int, button: int = 0) -> MouseEvent:
    return kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y)


def text(pilot: Pilot[None]) -> str:
    """The screen as plain lines, all of its layers."""
    screen: Screen[object] = pilot.app.screen
    strips = screen._compositor.render_strips(screen.size)
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
