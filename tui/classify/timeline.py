"""The timeline of a file: merged segments on one line, and a cursor over the windows."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from textual.content import Content

from core.inference.types import MergedSegment, Prediction
from tui.text.formatting import clock, percent

UNCERTAIN = "?"


def timeline_lines(prediction: Prediction, cursor: int | None, width: int, colours: Sequence[str]) -> list[Content]:
    """Two lines: the stretches, each genre in a colour of its own, and the window under the cursor with the times."""
    colour_of = dict(zip(prediction.probabilities, cycle(colours), strict=False))
    length = max(prediction.duration_s, 0.001)
    stretches = [
        (round(s.start_s / length * width), round(min(1.0, s.end_s / length) * width), s) for s in prediction.stretches
    ]
    line = Content("")
    at = 0
    for begin, end, stretch in stretches:
        begin = max(at, min(begin, width))
        end = min(max(begin, end), width)
        line = Content.assemble(line, " " * (begin - at), _stretch(stretch, end - begin, colour_of))
        at = end
    return [line, _pointer(prediction, cursor, length, width)]


def _stretch(stretch: MergedSegment, cells: int, colour_of: Mapping[str, str]) -> Content:
    """A bar with its genre's name as far as that fits: ``▌blues━━━━``."""
    if cells <= 0:
        return Content("")
    name = stretch.genre or UNCERTAIN
    inner = cells - 1
    text = name[:inner] if len(name) <= inner or inner >= 4 else ""
    style = colour_of.get(stretch.genre or "", "$text-muted")
    return Content.assemble(("▌", style), (text, ""), (("━" if stretch.genre else "╌") * (inner - len(text)), style))


def _pointer(prediction: Prediction, cursor: int | None, length: float, width: int) -> Content:
    end = clock(length)
    if cursor is None or not prediction.segments:
        return Content.styled(f"{clock(0)}{end:>{max(1, width - len(clock(0)))}}", "$text-muted")
    segment = prediction.segments[cursor]
    begin = min(width - 1, int(segment.start_s / length * width))
    cells = max(1, round((segment.end_s - segment.start_s) / length * width))
    best = max(segment.probabilities.values())
    words = f"{clock(segment.start_s)}–{clock(segment.end_s)} "
    words += (segment.reason or "uncertain") if segment.uncertain else f"{segment.genre} {percent(best, 0)}"
    mark = "▲" * min(cells, width - begin)
    room = width - begin - len(mark)
    if len(words) + 1 <= room:
        return Content.assemble(" " * begin, (mark, "bold $accent"), f" {words}")
    return Content.assemble(f"{words[: max(0, begin - 1)]:>{max(0, begin - 1)}} "[:begin], (mark, "bold $accent"))


def windows_at(prediction: Prediction, cursor: int | None, by: int) -> int | None:
    """The cursor moved by ``by`` windows; beyond an end it leaves the windows, and stands for the whole file."""
    count = len(prediction.segments)
    if not count:
        return None
    if cursor is None:
        return 0 if by > 0 else count - 1
    moved = cursor + by
    return moved if 0 <= moved < count else None
