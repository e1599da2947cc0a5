"""Journals with damage: a value replaced, a key or an element lost, a line cut, doubled, moved or gone."""

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from core.runs.journal.events import Event, encode

HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    3,
    10**18,
    10**30,
    0.5,
    -1e308,
    1e308,
    "",
    "x\u001b]0;title\u0007\u202e\r\ny",
    "long " * 300,
    [],
    {},
    [[1, 2], [3]],
    {"a": {"b": [1]}},
]


def lines_of(events: list[Event]) -> list[bytes]:
    """The events as the lines of a journal, numbered."""
    return [
        encode(msgspec.structs.replace(event, seq=number, time=1_700_000_000.0 + number)).strip()
        for number, event in enumerate(events)
    ]


@st.composite
def damaged(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """The content of a journal in which one to four things are wrong."""
    lines = list(lines)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "value", "value", "value", "cut", "doubled", "gone", "moved"])):
            case "value":
                try:
                    event = json.loads(lines[at])
                except ValueError:  # cut before
                    continue
                lines[at] = json.dumps(_replaced(draw, event)).encode()
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "doubled":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "gone" if len(lines) > 1:
                del lines[at]
            case _:
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    return b"\n".join(lines) + b"\n"


def _replaced(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with one hostile value in it, or something missing."""
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from([key for key in value if key != "kind"] or list(value)))
        if draw(st.integers(0, 5)) == 0:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _replaced(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 3)) == 0:
            return value[:at] + value[at + 1 :]
        return [*value[:at], _replaced(draw, value[at]), *value[at + 1 :]]
    return draw(st.sampled_from(HOSTILE))
