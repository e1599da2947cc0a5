"""Playing a sound file on this machine's loudspeaker."""

import threading
from collections.abc import Callable
from pathlib import Path

from core.audio.files.decode import stream
from core.audio.live.microphone import portaudio
from core.util.errors import UserError

BLOCK_SECONDS = 0.5
NO_OUTPUT = (
    "This machine has no usable sound output, as is usual over SSH. Use the PulseAudio or PipeWire of your local "
    "machine: see route c on the Listen screen (4, then h)."
)


class Player:
    """Plays one file at a time, in a thread of its own."""

    def __init__(self, on_end: Callable[[], object] = lambda: None) -> None:
        """
        Args:
            on_end: called in that thread when a file has been played to its end.
        """
        self._on_end = on_end
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.position_s = 0.0
        """Approximate position in the file."""

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
        try:
            output = sounddevice.OutputStream(samplerate=rate, channels=1, dtype="float32")
            output.start()
        except sounddevice.PortAudioError as error:
            raise UserError(NO_OUTPUT) from error
        self._stop = stopped = threading.Event()
        self.position_s = at

        def run() -> None:
            with output:
                output.write(first)
                for block, _ in blocks:
                    if stopped.is_set():
                        output.abort()
                        return
                    output.write(block)
                    self.position_s += BLOCK_SECONDS
            if not stopped.is_set():
                self._on_end()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop within one block."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
