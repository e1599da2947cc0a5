"""Plays a sound file on this machine's loudspeaker."""

import threading
from pathlib import Path

from core.audio.files.decode import stream
from core.audio.live.microphone import portaudio
from core.util.errors import UserError

BLOCK_SECONDS = 0.5


class Player:
    """Plays one file at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def play(self, path: Path) -> None:
        """Stop the current file and start ``path``; returns once the first block has been queued.

        Raises:
            UserError: there is no output device, or the file cannot be read.
        """
        self.stop()
        sounddevice = portaudio()
        blocks = stream(path, BLOCK_SECONDS)
        first, rate = next(blocks)
        try:
            output = sounddevice.OutputStream(samplerate=rate, channels=1, dtype="float32")
            output.start()
        except sounddevice.PortAudioError as error:
            raise UserError("this machine has no usable sound output") from error
        self._stop = stopped = threading.Event()

        def run() -> None:
            with output:
                output.write(first)
                for block, _ in blocks:
                    if stopped.is_set():
                        output.abort()
                        return
                    output.write(block)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop within one block."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
