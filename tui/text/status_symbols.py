"""Symbols and colours for the states of a run; the symbols alone tell the states apart."""

from textual.content import Content

STATUS_SYMBOLS = {
    "created": ("○", "$faint"),
    "queued": ("»", "$warn"),
    "running": ("●", "$running"),
    "paused": ("◆", "$warn"),
    "finished": ("✓", "$good"),
    "stopped": ("■", "$faint"),
    "failed": ("✗", "$bad"),
    "lost": ("?", "$bad"),
}
"""State → symbol, colour variable."""


def state_label(state: str) -> Content:
    """``● running``, ``» queued 2``"""
    symbol, colour = STATUS_SYMBOLS.get(state.partition(" ")[0], ("?", "$faint"))
    return Content.assemble((f"{symbol} ", colour), state)
