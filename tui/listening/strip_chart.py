"""Which columns of an endless spectrogram are in view.

It fills from the left; when it is full it moves on by a quarter at once. A picture that moved with every column would
send the whole of it to the terminal ten times a second, some 200 kB/s; this sends what is new.
"""

from collections.abc import Sequence

COLUMNS_PER_CELL = 2
"""Of the twenty columns a second; the louder one is shown."""


def strip_chart(columns: Sequence[bytes], seen: int, width: int) -> list[bytes]:
    """What ``width`` cells show: a column of levels each, shorter while the rest is still to come.

    Args:
        columns: the latest ones.
        seen: how many there have been in all.
    """
    cells = seen // COLUMNS_PER_CELL
    step = max(1, width // 4)
    first = 0 if cells <= width else -(-(cells - width) // step) * step
    oldest = seen - len(columns)
    begin = max(first * COLUMNS_PER_CELL, -(-oldest // COLUMNS_PER_CELL) * COLUMNS_PER_CELL)
    return [
        bytes(map(max, *(columns[at - oldest + i] for i in range(COLUMNS_PER_CELL))))
        for at in range(begin, cells * COLUMNS_PER_CELL, COLUMNS_PER_CELL)
    ]
