"""Texts in the cells of a terminal, of which some characters (Chinese, Japanese, Korean, emoji) take two."""

from rich.cells import cell_len, set_cell_size


def padded(text: str, width: int) -> str:
    """With spaces behind it up to ``width`` cells."""
    return text + " " * max(0, width - cell_len(text))


def shortened(text: str, width: int) -> str:
    """The beginning of what takes more than ``width`` cells, and an ellipsis."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Exactly ``width`` cells of it."""
    short = shortened(text, width)
    space = " " * (width - cell_len(short))
    return space + short if right else short + space
