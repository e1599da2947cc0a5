"""``python -m tui.new_run.dataset_process FOLDER SPLIT``: the look at a dataset in a process of its own.

A decoder that a broken file brings down takes no viewer with it, the keys stay quick, and a look that is no longer
wanted is ended at once. It prints messages, one a line.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

import core
from core.dataset.split_settings import SplitSettings
from core.util.errors import UserError
from tui.new_run.dataset_summary import DatasetLook, look_at

EVERY = 25
"""Files from one report of progress to the next."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    done: int
    total: int


class Found(msgspec.Struct, frozen=True, tag="found"):
    look: DatasetLook


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    reason: str


Message = Progress | Found | Refused


class LookProcess:
    """The viewer's end: begins at once, says what it finds, and can be ended from any thread."""

    def __init__(self, folder: Path, settings: SplitSettings) -> None:
        module = [sys.executable, "-m", "tui.new_run.dataset_process"]
        self._process = subprocess.Popen(
            [*module, str(folder), msgspec.json.encode(settings).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=Path(core.__file__).parents[1],
        )

    def messages(self) -> Iterator[Message]:
        """Waits for each; the last one is ``Found`` or ``Refused``."""
        assert self._process.stdout is not None
        with self._process:
            message: Message | None = None
            for line in self._process.stdout:
                message = msgspec.json.decode(line, type=Message)
                yield message
        if message is None or isinstance(message, Progress):
            status = self._process.returncode
            yield Refused(f"The files could not be looked at: the process that did it ended with status {status}.")

    def end(self) -> None:
        self._process.kill()


def main(folder: Path, settings: SplitSettings, out: TextIO) -> None:
    def say(message: Message) -> None:
        out.write(msgspec.json.encode(message).decode() + "\n")
        out.flush()

    def progress(done: int, total: int) -> None:
        if done % EVERY == 0:
            say(Progress(done, total))

    try:
        say(Found(look_at(folder, settings, progress)))
    except UserError as error:
        say(Refused(str(error)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=SplitSettings), sys.stdout)
