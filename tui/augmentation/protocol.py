"""The conversation with the process that shows what an augmentation does: questions, answers, and the viewer's end."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

import core


class Show(msgspec.Struct, frozen=True, tag="show"):
    """A clip under each effect of a preset."""

    place: int
    """The first clip of every genre, then the second of every genre, …; beyond the last the first again."""
    preset: str
    seed: int


class Play(msgspec.Struct, frozen=True, tag="play"):
    """The sound of what was shown last, after one effect; an empty name stops."""

    effect: str


class Write(msgspec.Struct, frozen=True, tag="write"):
    """Pictures and sounds of what was shown last."""


Request = Show | Play | Write


class Picture(msgspec.Struct, frozen=True):
    """``levels`` is [bands, frames] bytes, low bands first."""

    effect: str
    bands: int
    levels: bytes


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    request: Show
    clip: str
    """Its name, with its genre."""
    clips: int
    seconds: float
    has_sound: bool
    """False for a feature pack, which holds no audio."""
    pictures: list[Picture]


class Playing(msgspec.Struct, frozen=True, tag="playing"):
    effect: str
    seconds: float


class Written(msgspec.Struct, frozen=True, tag="written"):
    folder: str
    files: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    reason: str


Answer = Shown | Playing | Written | Refused

_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class Augmentations:
    """Begins with the first question, and again after a crash. Answers come in order, in a thread of this object's."""

    def __init__(self, data: Path, out: Path, on_answer: Callable[[Answer], object]) -> None:
        """
        Args:
            data: a folder of genres or a feature pack.
            out: where `Write` puts a folder for what it writes.
        """
        self._places = [str(data), str(out)]
        self._on_answer = on_answer
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: Request) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = self._begun()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died, and the thread that listens to it says so

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _begun(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tui.augmentation.worker", *self._places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(core.__file__).parents[1],
            # Not in the terminal's group: Ctrl-C and hang-ups are the app's business; it ends with its input.
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=[process], daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._on_answer(_answers.decode(line))
        status = process.wait()
        self._on_answer(Refused(f"The process that shows augmentations ended with status {status}; ask again."))
