"""The app in a pseudo-terminal, as a terminal emulator runs it: in a session with this as controlling terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from tests.support.paths import ROOT

PATIENCE = 60.0
"""Seconds after which something that should have happened counts as missing; the machine may be busy."""
CONTROL = re.compile(rb"\x1b\[[0-9;?>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07]*\x07")

PIECE = re.compile(rb"\x1b\[(\d+);(\d+)H|(" + CONTROL.pattern + rb")|([^\x1b\r\n]+)")
"""A cursor movement, another control sequence, or text."""


def wait_until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.02)


class PseudoTerminal:
    """``with PseudoTerminal(["--runs", "x"], home) as terminal: terminal.read_until("Runs")``."""

    def __init__(
        self,
        arguments: Sequence[str],
        home: Path,
        *,
        size: tuple[int, int] = (120, 40),
        environment: Mapping[str, str] | None = None,
        ignore_hangup: bool = False,
        code: str | None = None,
    ) -> None:
        """
        Args:
            arguments: of the command line.
            home: settings and state go there.
            size: columns, rows.
            environment: variables to add.
            ignore_hangup: begin with SIGHUP ignored, as nohup does.
            code: Python to run in place of the command line.
        """
        command = ["-c", code] if code else ["-m", "tui.cli", *arguments]
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            **(environment or {}),
        }
        self.output = b""
        self._cells: dict[int, dict[int, str]] = {}
        self._at = 1, 1
        self._interpreted = 0
        """Bytes of the output that `screen` has gone through."""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execve(sys.executable, [sys.executable, *command], variables)
        os.set_inheritable(self.master, False)  # else the next terminal's app would keep this one open
        self.process = psutil.Process(self.pid)
        self.status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.master)

    def read(self, seconds: float = 0.0) -> bytes:
        """What the app has written; waits at most ``seconds`` for the first byte."""
        got = b""
        while select.select([self.master], [], [], 0.0 if got else seconds)[0]:
            try:
                block = os.read(self.master, 65536)
            except OSError:
                break  # the other side is closed
            if not block:
                break
            got += block
        self.output += got
        return got

    def read_for(self, seconds: float) -> bytes:
        """All that is written in ``seconds``."""
        got, deadline = b"", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            got += self.read(left)
        return got

    def read_until(self, text: str, patience: float = PATIENCE) -> bytes:
        """All that is written until ``text`` has been, or stands on the screen where it did not before."""
        got, deadline, before = b"", time.monotonic() + patience, text in self.screen()
        while text.encode() not in CONTROL.sub(b"", got) and (before or text not in self.screen()):
            assert time.monotonic() < deadline, f"waited {patience:g} s for {text!r}; the screen got {got[-2000:]!r}"
            got += self.read(0.2)
        return got

    def screen(self) -> str:
        """The rows of text that the app has drawn by its last finished sequence, every character one cell wide."""
        end = self.output.rfind(b"\x1b")
        for piece in PIECE.finditer(self.output, self._interpreted, max(end, self._interpreted)):
            if piece[1]:
                self._at = int(piece[1]), int(piece[2])
            for char in (piece[4] or b"").decode(errors="replace"):
                row, column = self._at
                self._cells.setdefault(row, {})[column] = char
                self._at = row, column + 1
        self._interpreted = max(end, self._interpreted)
        rows = [row for _, row in sorted(self._cells.items())]
        return "\n".join("".join(row.get(x, " ") for x in range(1, max(row) + 1)) for row in rows)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal's window."""
        os.close(self.master)

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit status; the screen is read meanwhile where there still is one."""

        def over() -> bool:
            with contextlib.suppress(OSError):
                self.read()
            return self.ended()

        wait_until(over, "the app to end", patience)
        assert self.status is not None
        return self.status
