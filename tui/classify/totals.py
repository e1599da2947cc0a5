"""The totals of the classified files: how many of each genre, and how right they are where labels are known."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from textual.content import Content

from core.inference.batch.known_labels import Comparison
from tui.classify.results import Sound
from tui.text.cells import bar, fitted, widest
from tui.text.formatting import clock
from tui.widgets.row_list import LinesView


class Totals(LinesView):
    BINDING_GROUP_TITLE = "The totals"


def total_lines(sounds: Sequence[Sound], comparisons: Sequence[Comparison], width: int) -> list[Content]:
    """A bar per genre with its files and their length; then the accuracy of each folder with known labels."""
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for sound in sounds:
        if sound.state != "waiting":
            counts[sound.answer] += 1
            seconds[sound.answer] += round(sound.prediction.duration_s) if sound.prediction is not None else 0
    if not counts:
        return [Content.styled("No file is classified yet.", "$text-muted")]
    names = min(widest(counts), max(8, width // 3))
    room = max(4, width - names - 19)
    most = max(counts.values())
    lines = [Content.styled(f"{'':<{names}} {'':<{room}} {'files':>7} {'length':>9}", "$text-muted")]
    for genre, number in counts.most_common():
        style = {"uncertain": "$warn", "unreadable": "$bad"}.get(genre, "$accent")
        lines.append(
            Content.assemble(
                f"{fitted(genre, names)} ",
                (f"{bar(number / most, room) or '╸':<{room}}", style),
                f" {number:>7,} {clock(seconds[genre]):>9}",
            )
        )
    for comparison in comparisons:
        first, *others = comparison.lines()
        lines += [Content(""), *(Content.styled(line, "bold") for line in textwrap.wrap(first, width))]
        # The confusion matrix is aligned by its spaces.
        lines += [Content(part) for line in others for part in ([line] if "  " in line else textwrap.wrap(line, width))]
    return lines
