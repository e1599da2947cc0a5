"""Playing a sound file on this machine's loudspeaker."""

import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np

from core.audio.files.decode import stream
from core.audio.live.microphone import portaudio
from core.util.errors import UserError

BLOCK_SECONDS = 0.5
"""Seconds of sound that are decoded at a time, and between two reports of the position."""
PIECES = 5
"""Number of pieces in which a block is written; playing stops after at most one more."""
NO_OUTPUT = (
    "This machine has no usable sound output, as is usual over SSH. Use the PulseAudio or PipeWire of your local "
    "machine: see route c on the Listen screen (4, then h)."
)


class Player:
    """Plays one file at a time, in a thread of its own."""

    def __init__(self, on_position: Callable[[float | None], object] = lambda position_s: None) -> None:
        """
        Args:
            on_position: called in that thread about twice a second with the position in the file, in seconds; then
                once with None when the file has been played to its end, or cannot be played any further.
        """
        self._on_position = on_position
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.position_s = 0.0
        """What is heard now, in seconds from the start of the file."""

    def play(self, path: Path, start_s: float = 0.0) -> None:
        """Stop the current file and start ``path`` at ``start_s`` seconds; returns once playing has begun.

        A start beyond the end plays the last block.

        Raises:
            UserError: there is no output device, or the file cannot be read.
        """
        self.stop()
        sounddevice = portaudio()
        blocks = stream(path, BLOCK_SECONDS)
        first, rate = next(blocks)
        at = 0.0
        for block, _ in blocks if start_s >= BLOCK_SECONDS else ():
            first, at = block, at + BLOCK_SECONDS
            if at + BLOCK_SECONDS > start_s:
                break
        if 0 < (skipped := round((start_s - at) * rate)) < len(first):
            first, at = first[skipped:], start_s
        try:
            output = sounddevice.OutputStream(samplerate=rate, channels=1, dtype="float32")
            output.start()
        except sounddevice.PortAudioError as error:
            raise UserError(NO_OUTPUT) from error
        self._stop = stopped = threading.Event()
        self.position_s = at

        def run() -> None:
            # The file may be damaged further on, and the device may be unplugged: playing ends there.
            with suppress(UserError, sounddevice.PortAudioError), output:
                written_s = at
                for block in chain([first], (block for block, _ in blocks)):
                    for piece in np.array_split(block, PIECES):
                        if stopped.is_set():
                            output.abort()
                            return
                        output.write(np.ascontiguousarray(piece))
                        written_s += len(piece) / rate
                        self.position_s = max(at, written_s - output.latency)
                    self._on_position(self.position_s)
            if not stopped.is_set():
                self._on_position(None)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop playing, after at most a tenth of a second of sound."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
