"""Driving the app by its Pilot: waiting for what is on the screen instead of for a while."""

import asyncio
import time
from collections.abc import Callable

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


def text(pilot: Pilot[None]) -> str:
    """The screen as plain lines, all of its layers."""
    screen: Screen[object] = pilot.app.screen
    strips = screen._compositor.render_strips(screen.size)
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
