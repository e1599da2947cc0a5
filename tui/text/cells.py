"""Texts in the cells of a terminal, of which some characters (Chinese, Japanese, Korean, emoji) take two."""

from pathlib import Path

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


def shown(path: Path, width: int | None = None) -> str:
    """Below the home folder with a tilde; of a path that is too long the end, which says more than its beginning."""
    home = Path.home()
    text = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
    return text if width is None or len(text) <= width else "…" + text[len(text) - max(0, width - 1) :]
