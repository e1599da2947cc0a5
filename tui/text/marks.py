"""Marks and colours for the states of a run, so that each is told from the others without colour."""

from textual.content import Content

MARKS = {
    "created": ("○", "$faint"),
    "running": ("●", "$train"),
    "paused": ("◆", "$warn"),
    "finished": ("✓", "$good"),
    "stopped": ("■", "$faint"),
    "failed": ("✗", "$bad"),
    "lost": ("?", "$bad"),
}
"""State → mark, colour variable."""


def state_label(state: str) -> Content:
    """``● running``"""
    mark, colour = MARKS.get(state, ("?", "$faint"))
    return Content.assemble((f"{mark} ", colour), state)
