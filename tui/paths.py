"""How paths are shown."""

from pathlib import Path


def shown(path: Path, width: int | None = None) -> str:
    """Below the home folder with a tilde; of a path that is too long the end, which says more than its beginning."""
    home = Path.home()
    text = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
    return text if width is None or len(text) <= width else "…" + text[len(text) - max(0, width - 1) :]
