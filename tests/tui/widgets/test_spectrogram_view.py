"""The axes of a spectrogram: round frequencies on the rows that contain them, and seconds."""

from itertools import pairwise

import pytest

from tui.shell.themes import DARK
from tui.widgets.spectrogram_view import Image, cells_left_of, hz_labels, spectrogram_with_axes

HZ = [20.0 * 1.055**band for band in range(128)]
"""Up to 18 kHz."""


@pytest.mark.parametrize("rows", [5, 8, 13, 30, 64])
def test_a_frequency_stands_on_the_row_that_contains_it(rows: int) -> None:
    labels = hz_labels(HZ, rows)
    assert len(labels) == rows
    assert any(labels)
    for row, label in enumerate(labels):
        if label:
            hz = float(label.replace("k", "000"))
            below, above = rows - 1 - row, rows - row
            low, high = HZ[max(0, below * 128 // rows - 1)], HZ[min(127, above * 128 // rows + 1)]
            assert low <= hz <= high
    assert all(not (a and b) for a, b in pairwise(labels))


def test_the_axes_name_their_units() -> None:
    image = Image(128, bytes(128 * 50), HZ, 15.0)
    *rows, seconds = spectrogram_with_axes(image, 60, 12, DARK, "ascii")
    assert seconds.plain.startswith(" Hz 0")
    assert seconds.plain.rstrip().endswith(" s")
    assert all(row.cell_length == 60 for row in rows)
    assert cells_left_of(image, 60, 12) == seconds.plain.index("0")
