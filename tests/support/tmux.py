"""The app in tmux, a real terminal emulator: what a person would see, and the keys that a person would press."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.pseudo_terminal import wait_until

HAVE_TMUX = shutil.which("tmux") is not None


class Tmux:
    """A tmux server of its own with one window and a shell in it. ``with Tmux(folder) as tmux: ...``"""

    def __init__(
        self, folder: Path, *, size: tuple[int, int] = (120, 40), environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.size = size
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **(environment or {}),
        }
        self._socket = folder / "tmux.socket"

    def __enter__(self) -> "Tmux":
        columns, rows = self.size
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(self.folder), "sh")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)

    def app(self, *arguments: str) -> str:
        """The command line that starts the program."""
        return " ".join([sys.executable, "-m", "tui.cli", *arguments])

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: Enter, Escape, C-r, Down."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *patterns: str, patience: float = 60.0) -> str:
        """Wait until all patterns, regular expressions, are found on the screen; returns the screen."""
        deadline = time.monotonic() + patience
        while not all(re.search(pattern, (screen := self.screen())) for pattern in patterns):
            assert time.monotonic() < deadline, f"waited {patience:g} s for {patterns}; the screen shows\n{screen}"
            time.sleep(0.1)
        return screen

    def wait_without(self, text: str, patience: float = 60.0) -> None:
        """Wait until a text is gone from the screen."""
        wait_until(lambda: text not in self.screen(), f"{text!r} to go", patience)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        command = ["tmux", "-f", "/dev/null", "-S", str(self._socket), *arguments]
        return subprocess.run(command, env=self.environment, check=check, capture_output=True, text=True).stdout
