"""How loud it is, in one line."""

from textual.content import Content

LOWEST_DB = -60.0
WARM_DB = -6.0
"""From here on it is loud; 0 is full scale."""


def level_line(level_db: float, peak_db: float, clipping: bool, width: int) -> Content:
    """``━━━━━━━━━━━    ┃      −18.2 dB  peak −9.1`` in ``width`` cells; clipping is said in words.

    Args:
        level_db: root mean square, and ``peak_db`` the highest peak of late, in dB of full scale.
    """
    figures = Content.assemble(
        f" {_figure(level_db)} dB ",
        ("peak ", "$text-muted"),
        _figure(peak_db),
        ("  CLIPPING", "bold $bad") if clipping else "          ",
    )
    cells = max(4, width - figures.cell_length)
    filled, peak, warm = (_cell(db, cells) for db in (level_db, peak_db, WARM_DB))
    bar = Content.assemble(
        ("━" * min(filled, warm), "$good"),
        ("━" * max(0, filled - warm), "$warn"),
        ("·" * (cells - filled), "$faint"),
    )
    if 0 < peak <= cells:
        mark = Content.styled("┃", "$bad" if clipping else "$warn" if peak > warm else "$good")
        bar = bar[: peak - 1] + mark + bar[peak:]
    return bar + figures


def _cell(db: float, cells: int) -> int:
    return round(min(1.0, max(0.0, (db - LOWEST_DB) / -LOWEST_DB)) * cells)


def _figure(db: float) -> str:
    return f"{'−∞':>5}" if db <= -119 else f"{db:5.1f}".replace("-", "−")
