"""Pictures in pixels, in terminals that can: kitty and Ghostty, also through tmux.

A picture is sent once, as a PNG with few colours (the kitty graphics protocol). On the screen it is text: each of its
cells is the placeholder U+10EEEE with its row and column as diacritics, and the picture's number is the foreground
colour ("Unicode placeholders", https://sw.kovidgoyal.net/kitty/graphics-protocol). What is drawn over a cell covers
it, and nothing has to be cleared; tmux and Textual move and copy the cells as they do other text.

`AskingDriver` asks the terminal for its name and version (XTVERSION), and tmux is asked for those of the terminals that
show its session.
Sixel is not used: such a picture is not made of cells, so dialogs and tmux's redraws leave parts of it behind.
"""

import os
import re
import subprocess
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import pack

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

ESC, ST = "\x1b", "\x1b\\"
ASK = f"{ESC}[>q{ESC}[c"
"""Name and version, then the device attributes, which every terminal answers, and so ends its answers."""
ANSWERS = re.compile(rf"{ESC}P>\|(?P<name>[^{ESC}]*){ESC}\\|(?P<end>{ESC}\[\?[\d;]*c)")
BEGUN = re.compile(rf"{ESC}(?:P[^{ESC}]*(?:{ESC})?|\[(?:\?[\d;]*)?)?\Z")
"""The beginning of an answer at the end of what has been read."""
PATIENCE = 10.0
"""Seconds after which no answer is expected any more."""
HELD_SECONDS = 0.1
"""Within which the rest of an answer follows its beginning."""
KITTY_SINCE = (0, 28)
"""The version with placeholders."""
PLACEHOLDER = "\U0010eeee"
DIACRITICS = (
    "305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 5a8-5a9 5ab-5ac "
    "5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733 735-736 73a 73d 73f-741 743 745 "
    "747 749-74a 7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 "
    "1a75-1a7c 1b6b 1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 "
    "20d4-20d7 20db-20dc 20e1 20e7 20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1"
)
"""Of rows and columns from 0, as the protocol numbers them: runs of code points."""
MOST_BYTES = 32_000
"""Of one picture on the link; one that is larger is sent with half as many columns."""
CHUNK = 4096
"""Of the encoded picture in one sequence, at most."""
CUBE = (0, 95, 135, 175, 215, 255)
"""Of each primary in the 6 × 6 × 6 colours among the 256."""
Levels = Sequence[Sequence[int]]


def _numbers() -> list[str]:
    runs = [run.partition("-") for run in DIACRITICS.split()]
    return [chr(code) for low, _, high in runs for code in range(int(low, 16), int(high or low, 16) + 1)]


NUMBERS = _numbers()


def draws_pixels(name: str) -> bool:
    """Whether a terminal of this name and version (XTVERSION) knows placeholders."""
    if found := re.match(r"kitty\((\d+)\.(\d+)", name):
        return (int(found[1]), int(found[2])) >= KITTY_SINCE
    return name.lower().startswith("ghostty")


def may_be_asked(environment: Mapping[str, str] = os.environ) -> bool:
    """Not tmux, which answers for itself, nor what prints questions that it does not understand."""
    return not {"TMUX", "STY"} & environment.keys() and environment.get("TERM", "") not in ("", "dumb", "linux")


def tmux_clients(pane: str) -> tuple[tuple[str, ...], bool]:
    """The terminals that show the session of a tmux pane, and whether 24-bit colours reach them as they are.

    None of them if tmux lets nothing through, if one does not draw pixels, or if they differ in their colours.

    Args:
        pane: ``TMUX_PANE``.
    """
    client = "#{client_pid} #{client_created}\t#{client_termfeatures}\t#{client_termtype}"
    questions = (
        ["display-message", "-p", "-t", pane, "#{allow-passthrough}"],
        ["list-clients", "-t", pane, "-F", client],
    )
    try:
        passes, shown = (
            subprocess.run(["tmux", *question], capture_output=True, text=True, timeout=2, check=True).stdout.strip()
            for question in questions
        )
    except (OSError, subprocess.SubprocessError):
        return (), False
    clients = [line.split("\t") for line in shown.split("\n") if line.count("\t") == 2]
    colours = {"RGB" in features for _, features, _ in clients}
    if (
        passes not in ("on", "all", "1", "2")
        or len(colours) != 1
        or not all(draws_pixels(name) for *_, name in clients)
    ):
        return (), False
    return tuple(client for client, _, _ in clients), colours.pop()


class Answers:
    """Takes the terminal's answers out of what is read from it, so that they are not taken for keys."""

    def __init__(self, on_name: Callable[[str], object]) -> None:
        """``on_name``: called with the name and version, or with "" by a terminal that has none."""
        self._on_name = on_name
        self._name = self._held = ""
        self._held_at = self._begun = time.monotonic()
        self._done = False

    def rest(self, data: str) -> str:
        """``data`` without answers. What may be the beginning of one is held back for the next call."""
        if self._done:
            return data
        text, self._held = self._held + data, ""
        while (found := ANSWERS.search(text)) is not None:
            text = text[: found.start()] + text[found.end() :]
            self._name = found["name"] or self._name
            if found["end"]:
                self._done = True
                self._on_name(self._name)
                return text
        if (begun := BEGUN.search(text)) is not None:
            text, self._held, self._held_at = text[: begun.start()], text[begun.start() :], time.monotonic()
        return text

    def overdue(self) -> str:
        """The text that was held back as the beginning of an answer but is not one, as nothing has followed."""
        now = time.monotonic()
        self._done = self._done or now > self._begun + PATIENCE
        if not self._held or (now < self._held_at + HELD_SECONDS and not self._done):
            return ""
        held, self._held = self._held, ""
        return held


class Pictures:
    """The pictures of an app on its terminal, one for each place on its screens.

    Attributes:
        on: whether the terminal draws them, as far as is known.
    """

    def __init__(self, write: Callable[[str], object], *, in_tmux: bool = "TMUX" in os.environ) -> None:
        """``write``: writes to the terminal."""
        self._write = write
        self._in_tmux = in_tmux
        self._seen: dict[str, tuple[object, ...]] = {}
        """Place → what it shows."""
        self._first = os.getpid()
        self.on = self._true_colour = False

    def allow(self, on: bool, *, true_colour: bool) -> None:
        """Say whether the terminal draws pictures; it has none of those that were sent before.

        Args:
            true_colour: whether the app's colours are sent with 24 bits, and not as one of 256.
        """
        self._seen.clear()
        self.on, self._true_colour = on, true_colour

    def draw(self, place: str, levels: Levels, colours: Sequence[str], width: int, height: int) -> list[str]:
        """Show a picture, sent only where it is another one than before; returns the lines that stand for it.

        Args:
            levels: [rows][columns] of indices into ``colours``, high rows first.
            colours: as ``#rrggbb``.
            width, height: cells.
        """
        wanted = levels, colours, width, height
        if self._seen.get(place) != wanted:
            self._seen[place] = wanted
            self._write("".join(map(self._through, transmission(self._number(place), *wanted))))
        return placeholders(width, height)

    def colour(self, place: str) -> tuple[int, int, int]:
        """The foreground of a place's lines, which says whose they are."""
        red, green = self._cube(place)
        return CUBE[red], CUBE[green], 0

    def close(self) -> None:
        """Have the terminal forget the pictures."""
        self._write("".join(self._through(f"{ESC}_Ga=d,d=I,i={self._number(place)},q=2{ST}") for place in self._seen))
        self._seen.clear()

    def _cube(self, place: str) -> tuple[int, int]:
        """Of a colour that is not grey, and so is the same among 256 colours; processes in one tmux differ in it."""
        number = self._first + zlib.crc32(place.encode())
        return 1 + number % 5, number // 5 % 6

    def _number(self, place: str) -> int:
        if self._true_colour:
            red, green, blue = self.colour(place)
            return red << 16 | green << 8 | blue
        red, green = self._cube(place)
        return 16 + 36 * red + 6 * green

    def _through(self, sequence: str) -> str:
        """``sequence`` in the envelope that tmux takes off and passes on."""
        return f"{ESC}Ptmux;{sequence.replace(ESC, ESC + ESC)}{ST}" if self._in_tmux else sequence


def transmission(number: int, levels: Levels, colours: Sequence[str], width: int, height: int) -> list[str]:
    """The sequences that make the placeholders of a picture's number show it."""
    while len(encoded := b64encode(png(levels, colours)).decode()) > MOST_BYTES and len(levels[0]) > 1:
        levels = [[max(pair) for pair in zip(row[::2], row[1::2], strict=False)] for row in levels]
    parts = [encoded[at : at + CHUNK] for at in range(0, len(encoded), CHUNK)]
    last = len(parts) - 1
    heads = [f"a=T,U=1,i={number},c={width},r={height},f=100,q=2,", *[""] * last]
    return [
        f"{ESC}_G{head}m={int(at < last)};{part}{ST}" for at, (head, part) in enumerate(zip(heads, parts, strict=True))
    ]


def placeholders(width: int, height: int) -> list[str]:
    """``height`` lines of ``width`` cells, which stand for a picture; as many as can be numbered."""
    columns = NUMBERS[:width]
    return ["".join(PLACEHOLDER + row + column for column in columns) for row in NUMBERS[:height]]


def png(levels: Levels, colours: Sequence[str]) -> bytes:
    """A PNG image with a palette."""
    rows = b"".join(b"\0" + bytes(row) for row in levels)
    palette = b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    head = pack(">IIBBBBB", len(levels[0]), len(levels), 8, 3, 0, 0, 0)
    chunks = (b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


class TerminalNamed(Message):
    """The terminal has answered, after the start or after a suspension."""

    def __init__(self, name: str) -> None:
        """``name``: and version; empty if the terminal does not tell."""
        super().__init__()
        self.name = name


class AskingDriver(linux_driver.LinuxDriver):
    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if may_be_asked():
            self.write(ASK)

    def run_input_thread(self) -> None:
        if not may_be_asked():
            super().run_input_thread()
            return
        driver = self

        class Parser(XTermParser):
            """Sees no answers, which Textual would take for keys."""

            def __init__(self, debug: bool = False) -> None:
                super().__init__(debug)
                self._answers = Answers(lambda name: driver.send_message(TerminalNamed(name)))

            def feed(self, data: str) -> Iterable[Message]:
                seen = self._answers.rest(data) if data else data
                return super().feed(seen) if seen or not data else ()  # "" would end the input

            def tick(self) -> Iterable[Message]:
                if held := self._answers.overdue():
                    yield from super().feed(held)
                yield from super().tick()

        linux_driver.XTermParser = Parser  # type: ignore[attr-defined]
        super().run_input_thread()
