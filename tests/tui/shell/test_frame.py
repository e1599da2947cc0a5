"""The terminal shows what was drawn, although only what differs is sent."""

import random
from collections.abc import Iterable

from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.support.pseudo_terminal import PIECE
from tui.formatting import characters
from tui.shell.frame import Frame
from tui.shell.graphics import placeholders

WIDTH, HEIGHT = 24, 4
CONSOLE = Console(color_system="truecolor")
STYLES = [Style(color=Color.from_rgb(10, 20, number)) for number in range(3)]


def cell_rows(sent: str, rows: list[list[str]]) -> None:
    """Write what a terminal would have shown after ``sent`` into ``rows``, as it stood in the cells."""
    y = x = 0
    for piece in PIECE.finditer(sent.encode()):
        if piece[1]:
            y, x = int(piece[1]) - 1, int(piece[2]) - 1
        for char in characters((piece[4] or b"").decode()):
            width = 2 if char in "漢字" else 1
            rows[y][x : x + width] = [char, *[""] * (width - 1)]
            x += width


def a_strip(chance: random.Random, width: int) -> Strip:
    segments, left = [], width
    while left:
        wide = left > 1 and chance.random() < 0.2
        segments.append(Segment(chance.choice("漢字") if wide else chance.choice("ab é"), chance.choice(STYLES)))
        left -= 2 if wide else 1
    return Strip(segments, width)


def test_the_terminal_shows_each_update() -> None:
    chance, frame = random.Random(1), Frame()
    shown = [["?"] * WIDTH for _ in range(HEIGHT)]
    drawn = [[Strip([])] * 2 for _ in range(HEIGHT)]
    for number in range(60):
        rows = range(HEIGHT) if number % 5 == 0 else chance.sample(range(HEIGHT), 2)
        for y in rows:
            drawn[y] = [a_strip(chance, 10), a_strip(chance, WIDTH - 10)]
        update: LayoutUpdate | ChopsUpdate
        if number % 5 == 0:
            update = LayoutUpdate([list(row) for row in drawn], Region(0, 0, WIDTH, HEIGHT))
        else:
            chops = [{0: row[0], 10: row[1]} for row in drawn]
            update = ChopsUpdate(chops, [(y, 0, WIDTH) for y in sorted(rows)], [[10, WIDTH]] * HEIGHT)
        cell_rows(frame.changes(update, CONSOLE), shown)
        assert ["".join(row) for row in shown] == ["".join(strip.text for strip in row) for row in drawn]


def test_only_what_differs_is_sent() -> None:
    frame = Frame()

    def sent(text: str, style: Style = STYLES[0]) -> str:
        strip = Strip([Segment(text.ljust(WIDTH), style)], WIDTH)
        return frame.changes(LayoutUpdate([[strip]], Region(0, 0, WIDTH, 1)), CONSOLE)

    assert "epoch 10" in sent("epoch 10")
    assert sent("epoch 10") == ""
    assert sent("epoch 11") == "\x1b[1;8H" + STYLES[0].render("1")
    assert sent("epoch 11", STYLES[1]) == "\x1b[1;1H" + STYLES[1].render("epoch 11".ljust(WIDTH))
    frame.forget()
    assert "epoch 11" in sent("epoch 11", STYLES[1])


def test_the_cells_of_a_picture_are_sent_again() -> None:
    frame = Frame()
    lines = [Strip([Segment(line, STYLES[0])]) for line in placeholders(4, 2)]

    def sent() -> str:
        strips: list[Iterable[Strip]] = [[Strip(list(line), 4)] for line in lines]
        return frame.changes(LayoutUpdate(strips, Region(0, 0, 4, 2)), CONSOLE)

    assert sent() == sent() != ""
