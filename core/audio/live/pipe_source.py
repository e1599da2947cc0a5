"""Standard input as a live source. It is read only as fast as the sound is consumed, so that nothing is lost."""

import os
import queue
import select
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from core.audio.conversion import HIGHEST_RATE, LOWEST_RATE, LiveDownmix
from core.audio.files.ffmpeg import DEMUXERS
from core.audio.live.pcm_stream import ContainerError, PcmDecoder, StreamError, sounds_random
from core.audio.live.source import Chunk, Condition, EndOfSound, State
from core.util.errors import reason

PIECE = 1 << 16
STALL_SECONDS = 2.0
WAITING_CHUNKS = 64
"""Decoded chunks that may wait for the reader before FFmpeg, and with it the sender, has to wait."""
BUFFER_BYTES = 4096
"""Bytes that FFmpeg reads at a time: 0.1 s of an MP3."""


class PipeSource:
    """Reads a descriptor. A sender that is too fast is slowed down by the pipe.

    WAV and bare samples are read directly; other kinds of audio are decoded by FFmpeg.
    """

    overruns = 0

    def __init__(self, descriptor: int, rate: int) -> None:
        """Args:
        rate: of bare samples, in Hz; other kinds of audio state their own.
        """
        self._descriptor = descriptor
        self._decoder: PcmDecoder | ContainerStream = PcmDecoder(rate)
        self._arrived = time.monotonic()
        self._begins = True
        self._is_random = False

    @property
    def condition(self) -> Condition:
        silent = time.monotonic() - self._arrived
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"standard input has sent nothing for {silent:.0f} s")
        if self._is_random:
            return Condition(State.TROUBLE, "this looks like random or compressed data, not 16-bit samples")
        decoder = self._decoder
        if decoder.rate is None:
            return Condition(State.WAITING)
        name = f" ({decoder.name})" if isinstance(decoder, ContainerStream) else ""
        note = f"; {decoder.note}" if decoder.note else ""
        return Condition(State.RECEIVING, f"standard input{name}, {decoder.rate:,} Hz{note}")

    def read(self, timeout: float) -> Chunk | None:
        if isinstance(self._decoder, ContainerStream):
            samples = self._decoder.read(timeout)
        else:
            ready, _, _ = select.select([self._descriptor], [], [], timeout)
            samples = self._push(self._decoder) if ready else None
        if samples is None or not len(samples) or self._decoder.rate is None:
            return None
        self._arrived = time.monotonic()
        begins, self._begins = self._begins, False
        return Chunk(samples, self._decoder.rate, self._arrived, begins)

    def _push(self, decoder: PcmDecoder) -> npt.NDArray[np.float32] | None:
        data = os.read(self._descriptor, PIECE)
        if not data:
            decoder.end()
            raise EndOfSound
        self._arrived = time.monotonic()
        try:
            samples = decoder.push(data)
        except ContainerError as found:
            self._decoder = ContainerStream(self._descriptor, found)
            return None
        self._is_random = sounds_random(samples)
        return samples

    def close(self) -> None:
        """Stop reading. The descriptor belongs to the caller and stays open."""
        if isinstance(self._decoder, ContainerStream):
            self._decoder.close()


class ContainerStream:
    """FFmpeg's decoder on a pipe, in a thread that reads ahead and waits while the sound is not consumed.

    Attributes:
        rate: of the sound, in Hz; None until the first samples are decoded.
        name: the kind of audio.
    """

    def __init__(self, descriptor: int, found: ContainerError) -> None:
        self.name = found.name
        self.rate: int | None = None
        self._descriptor = descriptor
        self._received = found.received
        self._downmix: LiveDownmix | None = None
        self._waiting: queue.Queue[npt.NDArray[np.float32] | Exception] = queue.Queue(WAITING_CHUNKS)
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="container stream", daemon=True).start()

    @property
    def note(self) -> str | None:
        """See `Downmix.note`."""
        return self._downmix.note if self._downmix else None

    def read(self, timeout: float) -> npt.NDArray[np.float32] | None:
        """Mono samples, or None after ``timeout`` seconds without any.

        Raises:
            EndOfSound: the stream has ended.
            StreamError: it cannot be decoded.
        """
        try:
            samples = self._waiting.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(samples, Exception):
            self._waiting.put(samples)
            raise samples
        return samples

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        end: Exception = EndOfSound()
        try:
            with av.open(_Pipe(self), options={"format_whitelist": DEMUXERS}, buffer_size=BUFFER_BYTES) as container:
                for samples in self._decoded(container):
                    self._put(samples)
            if self.rate is None:
                end = StreamError(f"this {self.name} stream holds no sound")
        except (av.FFmpegError, OSError) as error:
            end = StreamError(f"this {self.name} stream cannot be decoded from a pipe ({reason(error)})")
        except StreamError as error:
            end = error
        self._put(end)

    def _decoded(self, container: Any) -> Iterator[npt.NDArray[np.float32]]:
        if not container.streams.audio:
            raise StreamError(f"this {self.name} stream holds no sound")
        kind, resampler = None, None
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # players skip what is damaged
            for frame in frames:
                now = (frame.format.name, frame.layout.name, frame.sample_rate)
                if now != kind:
                    kind, resampler = now, self._resampler(frame)
                for one in resampler.resample(frame) if resampler else ():
                    assert self._downmix is not None
                    channels = one.layout.nb_channels
                    yield self._downmix(one.to_ndarray().reshape(-1, channels).T)

    def _resampler(self, frame: Any) -> Any:
        """Convert to packed floats, and to the rate of the first link if a chained stream changes it."""
        if self._downmix is None:
            if not LOWEST_RATE <= frame.sample_rate <= HIGHEST_RATE:
                raise StreamError(f"a rate of {frame.sample_rate:,} Hz cannot be played")
            self._downmix = LiveDownmix(frame.sample_rate)
            self.rate = frame.sample_rate
        return av.AudioResampler(format="flt", layout=frame.layout, rate=self.rate)

    def _put(self, samples: npt.NDArray[np.float32] | Exception) -> None:
        while not self._closing.is_set():
            try:
                self._waiting.put(samples, timeout=0.2)
            except queue.Full:
                continue
            return

    def receive(self, count: int) -> bytes:
        """Called by FFmpeg: the bytes that were received already, then those of the pipe."""
        if self._received:
            data, self._received = self._received[:count], self._received[count:]
            return data
        while not self._closing.is_set():
            if select.select([self._descriptor], [], [], 0.2)[0]:
                return os.read(self._descriptor, count)
        return b""


class _Pipe:
    """The pipe as a file that cannot seek, for FFmpeg."""

    def __init__(self, stream: ContainerStream) -> None:
        self.read = stream.receive
