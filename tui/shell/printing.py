r"""What commands print (data on standard output, notes on standard error), and their exit statuses.

No other module calls ``print``.

Data that cannot be written ends the command with an `OutputError` (exit status 1); notes that cannot be written change
nothing. A reader that closes its pipe, such as ``head``, has enough (exit status 0).

Whatever is printed for people passes `printable`: names, tags, journals and errors cannot send the terminal a control
character. What is printed for programs is unchanged, except on a terminal. A stream that is not UTF-8 shows what it
lacks as similar ASCII characters, and in JSON as ``\uXXXX``.
"""

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from core.util.errors import UserError, reason
from core.util.text import UNSAFE, printable, printable_lines


class OutputError(UserError):
    """Standard output is closed, or the device behind it is full."""


def print_line(text: str) -> None:
    """One line for people."""
    _write(printable(text) + "\n")


def print_lines(text: str) -> None:
    """Several lines for people, such as a table or a report."""
    _write(printable_lines(text.rstrip("\n")) + "\n")


def print_data(text: str | os.PathLike[str], end: str = "\n") -> None:
    """A path, a name or CSV for a program that reads it: unchanged, unless a terminal would obey it."""
    _write((printable_lines(str(text)) if sys.stdout is not None and sys.stdout.isatty() else str(text)) + end)


def print_json(value: object) -> None:
    """One object on one line."""
    import msgspec

    try:
        text = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON cannot hold
        text = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(value))).decode()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = UNSAFE.sub(_json_escape, text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = re.sub("[^\x00-\x7f]", _json_escape, text)
    _write(text + "\n")


def print_note(text: str) -> None:
    """One line on standard error. Where that cannot be written, work continues without it."""
    write_notes(printable(text) + "\n")


def print_notes(text: str) -> None:
    """Several lines on standard error, such as a traceback."""
    write_notes(printable_lines(text.rstrip("\n")) + "\n")


def write_notes(text: str) -> None:
    """Write the program's own control sequences, such as those of a progress bar, to standard error."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            _discard(sys.stderr)


def write_controls(text: str) -> None:
    """Write the program's own control sequences to standard output."""
    _write(text)


def prepare_streams() -> None:
    """Make it possible to print any text: call this once, before anything is printed or opened."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # A file opened later would otherwise get this number, and what libraries print would be written into it.
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("similar-ascii", _similar_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="similar-ascii")


def flush_output() -> None:
    """Write what is still buffered; if nothing is, a full or closed standard output does not matter.

    Raises:
        OutputError: standard output is full or closed.
    """
    if sys.stdout is not None:
        with _reporting_output():
            sys.stdout.flush()


def discard_output() -> None:
    """Discard what a closed or full standard output refused, and all that follows."""
    _discard(sys.stdout)


def _discard(stream: TextIO | None) -> None:
    """Otherwise the interpreter tries again to write what is buffered, and exits with status 120."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def _write(text: str) -> None:
    out: TextIO | None = sys.stdout
    if out is None:
        raise OutputError("standard output is closed: nothing can be printed")
    with _reporting_output():
        out.write(text)
        out.flush()


@contextlib.contextmanager
def _reporting_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written ({reason(error).lower()})") from error


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return re.sub("[\ud800-\udfff]", lambda half: printable(half[0]), value)
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value


def _similar_ascii(error: UnicodeError) -> tuple[bytes, int]:
    """An error handler for encoding: bytes of file names as they were, and of other characters a similar one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from tui.shell.line_filters import to_ascii  # loads Textual

    text = error.object[error.start : error.end]
    return b"".join(
        char.encode("utf-8", "surrogateescape") if "\udc80" <= char <= "\udcff" else to_ascii(char).encode("ascii")
        for char in text
    ), error.end


DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(UserError):
    """The command line is wrong: exit status 2, like argparse's own errors."""
