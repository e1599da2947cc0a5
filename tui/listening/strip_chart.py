"""Which columns of an endless spectrogram are in view.

It fills from the left; when it is full it moves on by half at once. A picture that moved with every column would send
the whole of itself to the terminal again and again, some 200 kB/s; this sends what is new.
"""

from collections.abc import Sequence

COLUMNS_PER_CELL = 4
"""Of the twenty columns a second; the loudest is shown."""


def strip_chart(columns: Sequence[bytes], seen: int, width: int) -> list[bytes]:
    """What ``width`` cells show: a column of levels each, shorter while the rest is still to come.

    Args:
        columns: the latest ones.
        seen: how many there have been in all.
    """
    cells = seen // COLUMNS_PER_CELL
    step = max(1, width // 2)
    first = 0 if cells <= width else -(-(cells - width) // step) * step
    oldest = seen - len(columns)
    begin = max(first * COLUMNS_PER_CELL, -(-oldest // COLUMNS_PER_CELL) * COLUMNS_PER_CELL)
    return [
        bytes(map(max, *(columns[at - oldest + i] for i in range(COLUMNS_PER_CELL))))
        for at in range(begin, cells * COLUMNS_PER_CELL, COLUMNS_PER_CELL)
    ]
