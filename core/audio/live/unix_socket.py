"""The socket between ``genre-tui feed`` and the listener: its path and its protocol.

A client connects and may first send one line of JSON such as ``{"rate": 22050}``; then it sends sound as described in
`core.audio.live.pcm_stream`. The listener answers with lines of text; one that begins with ``!`` is the last.
"""

import contextlib
import os
import select
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.util.errors import UserError, explained, reason

DEFAULT_RATE = 22_050
"""Sample rate in Hz of bare samples whose sender states none."""


class SocketError(UserError):
    """The socket cannot be created or reached."""


def default_socket() -> Path:
    """``$GENRE_TUI_SOCKET``, or else a path in the user's runtime folder, or in a private one if there is none.

    ``XDG_RUNTIME_DIR`` is ignored: commands over SSH often lack it, and have to find the same path as the app.
    """
    chosen = os.environ.get("GENRE_TUI_SOCKET")
    if chosen:
        return Path(chosen)
    runtime = Path(f"/run/user/{os.getuid()}")
    if runtime.is_dir() and os.access(runtime, os.W_OK):
        return runtime / "genre-tui" / "feed.sock"
    return Path(tempfile.gettempdir()) / f"genre-tui-{os.getuid()}" / "feed.sock"


def listen_on(path: Path) -> socket.socket:
    """Listen at ``path``, for this user only. A socket that a dead process left behind is replaced.

    Raises:
        SocketError: another process listens there, or the folder is accessible to others or not writable.
    """
    with explained(f"the socket {path} cannot be created", SocketError):
        _private_folder(path.parent)
        if path.is_socket():
            if _is_listened_to(path):
                raise SocketError(f"another genre-tui listens already: close it, or choose another --socket ({path})")
            path.unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o177)
            try:
                made.bind(os.fspath(path))
            finally:
                os.umask(before)
            made.listen(8)
        except BaseException:
            made.close()
            raise
    return made


def connect_to(path: Path) -> socket.socket:
    """Connect to the listener.

    Raises:
        SocketError: no process listens there.
    """
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError):
        link.close()
        raise SocketError(
            f"no program listens on {path}: open genre-tui there, go to Listen (4), choose the feed, and try again"
        ) from None
    except OSError as error:
        link.close()
        raise SocketError(f"the socket {path} cannot be reached: {reason(error)}") from error
    return link


def _private_folder(folder: Path) -> None:
    """Create the folder for this user only. An existing one must not belong to another user."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    status = folder.lstat()
    theirs = status.st_uid not in (os.getuid(), 0) or not stat.S_ISDIR(status.st_mode)
    open_to_all = status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX
    if theirs or open_to_all:
        raise SocketError(f"{folder} is accessible to other users; choose another --socket")


def _is_listened_to(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


PIECE = 1 << 16


def feed(descriptor: int, path: Path, rate: int, on_message: Callable[[str], object]) -> int:
    """Send everything from ``descriptor`` until its end; returns the number of bytes.

    Args:
        rate: of bare samples, in Hz; a WAV header states its own.
        on_message: called with each line from the listener.

    Raises:
        SocketError: no process listens, or the listener refuses the sound or ends.
    """
    sent = 0
    with connect_to(path) as link:
        exchange = _Exchange(link, on_message)
        exchange.send(f'{{"rate": {rate}}}\n'.encode())
        while True:
            ready, _, _ = select.select([descriptor, link.fileno()], [], [])
            if link.fileno() in ready:
                exchange.read_answers()
            if descriptor in ready:
                data = os.read(descriptor, PIECE)
                if not data:
                    break
                exchange.send(data)
                sent += len(data)
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_WR)
        exchange.read_to_the_end()
    return sent


class _Exchange:
    """Both directions of the socket: messages are read while sending has to wait."""

    def __init__(self, link: socket.socket, on_message: Callable[[str], object]) -> None:
        self._link = link
        self._on_message = on_message
        self._held = b""
        link.setblocking(False)

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            readable, writable, _ = select.select([self._link], [self._link], [])
            if readable:
                self.read_answers()
            if writable:
                try:
                    rest = rest[self._link.send(rest) :]
                except (BrokenPipeError, ConnectionResetError):
                    self.read_to_the_end()
                    raise SocketError("the listener has disconnected") from None

    def read_answers(self) -> None:
        """
        Raises:
            SocketError: the listener refuses the sound or has ended.
        """
        if not self._read():
            raise SocketError("the listener has disconnected")

    def read_to_the_end(self) -> None:
        """Read messages until the listener hangs up.

        Raises:
            SocketError: its last message was a refusal.
        """
        while select.select([self._link], [], [], 5.0)[0] and self._read():
            pass

    def _read(self) -> bool:
        try:
            data = self._link.recv(PIECE)
        except ConnectionResetError:
            return False
        self._held += data
        *lines, self._held = self._held.split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if text.startswith("!"):
                raise SocketError(text[1:].strip())
            self._on_message(text)
        return bool(data)
