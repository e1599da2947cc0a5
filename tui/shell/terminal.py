"""Terminal set-up: checks, output redirection, hang-ups. Imports no Textual.

Textual draws on standard error. Native libraries (audio decoders, CUDA) print there too and would corrupt the screen,
so the app draws on a duplicate, and file descriptors 1 and 2 point to a log while it runs.
"""

import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from core.util.errors import UserError
from core.util.paths import state_folder

LOG_LIMIT = 1_000_000
"""Size in bytes above which the log is truncated."""
GRACE = 2.0
"""Seconds for an orderly exit after SIGTERM before the process is ended."""
READ_MS = 100
"""Milliseconds in which a terminal that is read takes what is in its buffer."""
RESTORE = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?7h\x1b[0m"
)
"""Leaves the alternate screen, shows the cursor, turns off mouse, paste and focus reports and the keyboard protocol."""


class TerminalError(UserError):
    """The app cannot run on this terminal."""


def check_terminal() -> None:
    """Refuse a terminal that cannot show the app.

    Raises:
        TerminalError: says what to do instead.
    """
    if not sys.stdin.isatty():
        raise TerminalError(
            "The app reads keys from standard input, which is not a terminal; "
            "pipe audio into `genre-tui listen --stdin` or `genre-tui feed` instead."
        )
    if not sys.stdout.isatty():
        raise TerminalError(
            "The app needs a terminal, and standard output is not one; "
            "for plain text use `genre-tui runs` or `genre-tui show RUN --once`."
        )
    if os.environ.get("TERM", "") in {"", "dumb", "unknown"}:
        raise TerminalError(
            f"The terminal cannot position text (TERM={os.environ.get('TERM') or 'unset'}); "
            "set TERM, or use `genre-tui runs` and `genre-tui show RUN --once`."
        )


def wants_ascii(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the locale names an encoding other than UTF-8, as ``LANG=C`` does; tmux shows no other characters then.

    Without any locale, as in most containers, UTF-8 is assumed.
    """
    language, ctype = environment.get("LANG", ""), environment.get("LC_CTYPE", "")
    if language and ctype == "C.UTF-8":
        ctype = ""  # Python sets this in place of C (PEP 538)
    locale = environment.get("LC_ALL") or ctype or language
    return bool(locale) and "utf8" not in locale.lower().replace("-", "")


def log_path() -> Path:
    """The viewer's log, with tracebacks and the output of native libraries."""
    return state_folder() / "viewer.log"


@contextmanager
def drawing_on_a_duplicate(log: Path) -> Iterator[int]:
    """Descriptors 1 and 2 point to ``log``; ``sys.__stdout__`` and ``sys.__stderr__`` to a duplicate of the terminal.

    Yields the duplicate's descriptor. Everything is restored at the end.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    screen = os.dup(1)
    before = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    streams = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    log_fd = _open_log(log)
    drawing = os.fdopen(os.dup(screen), "w", encoding="utf-8", errors="replace")
    try:
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        # Textual takes the terminal size from one stream and draws on the other.
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = drawing  # type: ignore[misc]
        yield screen
    finally:
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
        for descriptor, kept in before.items():
            os.dup2(kept, descriptor)
            os.close(kept)
        os.close(log_fd)
        with suppress(OSError):
            drawing.close()


def _open_log(log: Path) -> int:
    """Open the log for appending; if it is not writable, /dev/null instead."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            flags |= os.O_TRUNC
        return os.open(log, flags, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def leave_with_the_terminal(screen: int, leave: Callable[[int], object]) -> None:
    """End this process when its terminal hangs up, and in good order on SIGTERM and SIGINT.

    SIGHUP (even if it was ignored by nohup or a shell) and a hang-up without a signal end the process at once; where
    the terminal is still there, it is restored. SIGTERM and SIGINT call ``leave``; if that stalls because the terminal
    is not read, the process ends after ``GRACE`` seconds.

    Args:
        screen: descriptor of the terminal.
        leave: asks the app to exit with this status; called in a signal handler, so it must only schedule.
    """
    attributes = termios.tcgetattr(0)

    def at_once(signum: int) -> None:
        with suppress(OSError, termios.error):
            termios.tcsetattr(0, termios.TCSANOW, attributes)
            writable = select.poll()
            writable.register(screen, select.POLLOUT)
            if writable.poll(READ_MS):
                os.write(screen, RESTORE)
        os._exit(128 + signum)

    def hung_up(signum: int, frame: FrameType | None) -> None:
        at_once(signum)

    def asked(signum: int, frame: FrameType | None) -> None:
        last_resort = threading.Timer(GRACE, at_once, (signum,))
        last_resort.daemon = True
        last_resort.start()
        leave(128 + signum)

    def watch_for_hang_up() -> None:
        # With no events requested, poll sleeps until a hang-up or an error.
        poll = select.poll()
        poll.register(0, 0)
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            os._exit(128 + signal.SIGHUP)

    signal.signal(signal.SIGHUP, hung_up)
    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
    threading.Thread(target=watch_for_hang_up, name="hang-up", daemon=True).start()
