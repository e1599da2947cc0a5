"""The text lines of the Listen screen."""

import textwrap
import time
from collections import deque
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.content import Content

from core.audio.live.source import State
from core.util.text import counted
from tui.listen.audio_forwarding import Route
from tui.listen.state import HistoryEntry, ListenState
from tui.text.cells import fitted, shortened, widest
from tui.text.formatting import clock, percent

MARKS = {
    State.WAITING: ("◌", "$faint"),
    State.RECEIVING: ("●", "$good"),
    State.STALLED: ("◆", "$warn"),
    State.TROUBLE: ("✗", "$bad"),
}
TIME, PERCENT = 10, 5
"""Cells of the history's columns, with the spaces between them."""
FEWEST_GENRE = FEWEST_MODEL = 12
"""Cells of a genre, and of the names of the model and the source, at least."""


def source_line(state: ListenState, wanted: str, width: int, *, listening: bool, paused: bool) -> Content:
    """The source and its state in ``width`` cells. ``wanted`` is the source that is chosen."""
    if state.trouble:
        return Content.assemble(("✗ ", "$bad"), state.trouble)
    if not listening:
        return Content.assemble(("■ ", "$faint"), "not listening; ", ("p", "bold"), f" listens to {wanted}")
    if paused:
        return Content.assemble(("◆ ", "$warn"), f"paused · {wanted}")
    if state.opened is None or state.source is None:
        return Content.assemble(("◌ ", "$faint"), f"loading the model; already listening to {wanted}")
    mark, colour = MARKS[state.source.state]
    received = f" · {clock(state.level.seconds)}" if state.level and state.is_receiving else ""
    source = shortened(state.source.text or state.source.state, max(FEWEST_MODEL, width - 2 - len(received)))
    return Content.assemble((f"{mark} ", colour), f"{source}{received}")


def figures_line(state: ListenState, width: int, caveats: Sequence[str] = ()) -> Content:
    """How well predictions keep up with the sound, and their model, in ``width`` cells."""
    if state.opened is None:
        return Content("")
    opened, source = state.opened, state.source
    parts = []
    if state.prediction is not None:
        parts.append(Content(f"latency {state.prediction.latency_s:.2f} s"))
    if source is not None:
        parts.append(Content.styled(f"sound lost {source.overruns}×", "bold $bad" if source.overruns else ""))
        if source.skipped:
            parts.append(Content.styled(f"{counted(source.skipped, 'window')} skipped", "$warn"))
    warnings = [Content.styled(f"! {caveat}", "$warn") for caveat in caveats]
    room = width - sum(part.cell_length + 3 for part in (*parts, *warnings)) - len("model ")
    model = Content.assemble("model ", (shortened(opened.model, max(FEWEST_MODEL, room)), "bold"))
    windows = Content(f" · windows of {opened.window_seconds:g} s")
    line = Content(" · ").join([*parts, model, *warnings])
    return line + windows if cell_len(opened.model) + windows.cell_length <= room else line


def prediction_line(state: ListenState, width: int) -> Content:
    """The smoothed prediction, or the progress of the first window."""
    prediction, level = state.prediction, state.level
    if prediction is None:
        if level is None or state.opened is None:
            return Content("")
        seconds = state.opened.window_seconds
        return Content.styled(f"the first window fills: {level.filling * seconds:.1f} of {seconds:g} s", "$text-muted")
    if prediction.smoothed_genre is not None:
        return Content.assemble(
            (shortened(prediction.smoothed_genre, max(FEWEST_GENRE, width - PERCENT - 1)), "bold $accent"),
            f"  {percent(prediction.smoothed[prediction.smoothed_genre], 0)}",
        )
    return Content.assemble(("? uncertain", "bold"), f"  {prediction.reason or 'no clear genre'}")


def history_lines(history: deque[HistoryEntry], width: int) -> Iterator[Content]:
    """Newest first."""
    names = max(0, min(max(FEWEST_GENRE, widest(entry.genre or "" for entry in history)), width - TIME - PERCENT))
    for since, genre, probability, reason in reversed(history):
        when = (time.strftime("%H:%M:%S  ", time.localtime(since)), "$text-muted")
        if genre is not None:
            yield Content.assemble(when, (f"{fitted(genre, names)} ", "bold"), percent(probability, 0))
        else:
            yield Content.assemble(when, (f"? {reason}", "$text-muted"))


def advice_lines(state: ListenState, width: int) -> list[Content]:
    """What to do when there is no sound."""
    why = state.devices.error if state.devices is not None else ""
    text = f"{why[:1].upper()}{why[1:]}." if why else "Sound can also come from your local machine, over SSH:"
    return [*(Content(line) for line in textwrap.wrap(text, width)), Content("")]


def route_lines(route: Route, width: int) -> list[Content]:
    """The commands of a route and the machine to type them on."""
    keys = Content.assemble(("  y", "bold $footer-key-foreground"), (" copies it", "$text-muted"))
    return [Content.styled(f"{route.where}:", "$text-muted") + keys, *command_lines(route.command, width)]


def command_lines(command: str, width: int) -> list[Content]:
    """A shell command in full, broken where a shell lets it be: what is on the screen can be typed as it stands."""
    lines, line = [], ""
    for word in command.split(" "):
        longer = f"{line} {word}" if line else word
        if line and len(longer) > width - 2:
            lines.append(f"{line} \\")
            line = f"  {word}"
        else:
            line = longer
    return [Content(text) for text in [*lines, line]]


LOWEST_DB = -60.0
WARM_DB = -6.0
"""Level from which sound is shown as loud; 0 is full scale."""


def level_line(level_db: float, peak_db: float, clipping: bool, width: int) -> Content:
    """``━━━━━━━━━━━    ┃      −18.2 dB  peak −9.1`` in ``width`` cells; clipping is stated in words.

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
