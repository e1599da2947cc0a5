"""Audio files → mono waveforms.

libsndfile and FFmpeg share the formats (``formats`` says which decodes what); plain 16-bit AU and WAV need neither.
Shapes: C channels, N samples.
"""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from core.audio.conversion import Downmix, Resampler, Waveform
from core.audio.files.formats import BY_NAME, sniff
from core.audio.files.ogg import OggPages, read_pages
from core.audio.files.open_file import AudioError, FileView, open_file, size_of
from core.audio.files.pcm import PcmHeader, read_header, read_pcm16
from core.audio.files.probe import AudioInfo, probe_open
from core.audio.files.truncation import container_promise, ends_within_frame, lost, missing, tag_bytes

if TYPE_CHECKING:  # loading FFmpeg takes 0.1 s, and plain PCM does not need it
    from core.audio.files.ffmpeg import Losses

PCM_SECONDS = 30.0
"""Length of a block read from plain 16-bit samples."""
DECISION_SECONDS = 20.0
DECISION_SAMPLES = 1 << 23
"""Seconds of sound from which to decide whether channels cancel, and the most samples of all channels for that."""
Block = tuple[npt.NDArray[np.float32], int]
"""Samples, (C, N) or (N,), and their rate in Hz."""


class AudioReader:
    """An open audio file: its header, its samples, and its damage.

    >>> with open_file("song.mp3") as file:              # doctest: +SKIP
    ...     reader = AudioReader("song.mp3", file)
    ...     for block, rate in reader.blocks(): ...
    ...     print(reader.warning)

    Attributes:
        seconds: length of what has been decoded so far.
    """

    def __init__(self, path: str | os.PathLike[str], file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.seconds = 0.0
        self._downmix = Downmix()
        self._losses: Losses | None = None
        self._format = sniff(file)
        self._header = read_header(file)
        self._pages: OggPages | None = None

    @cached_property
    def info(self) -> AudioInfo:
        """What the header says.

        Raises:
            AudioError: the file is not audio.
        """
        return probe_open(self.path, self.file)

    def blocks(self, block_seconds: float = 30.0) -> Iterator[Block]:
        """The whole file as mono blocks (N,) of ``block_seconds``, the last one shorter, each with the rate.

        One block is in memory at a time, however long the file is.

        Raises:
            AudioError: the file is not audio, or holds no samples, or NaN or infinite ones. It may be raised after
                some blocks.
        """
        parts: list[Waveform] = []
        held = rate = 0
        for piece, rate in self.pieces():
            size = max(1, round(block_seconds * rate))
            while held + len(piece) >= size:
                cut = size - held
                yield np.concatenate([*parts, piece[:cut]]) if parts else piece[:cut], rate
                parts, held, piece = [], 0, piece[cut:]
            if len(piece):
                parts.append(piece)
                held += len(piece)
        if parts:
            yield np.concatenate(parts) if len(parts) > 1 else parts[0], rate
        if not rate:
            raise AudioError(self.path, "holds no samples")

    def pieces(self, start: float = 0.0, duration: float | None = None) -> Iterator[Block]:
        """Mono blocks (N,) as they are decoded, from ``start`` for ``duration`` seconds."""
        if self._header is not None and self._header.is_plain:
            pieces = _pcm_pieces(self.file, self._header, start, duration)
        else:
            pieces = self._mono(_one_rate(self._decoded(start, duration)))
        for piece, rate in pieces:
            self.seconds += len(piece) / rate
            yield piece, rate

    @property
    def is_plain(self) -> bool:
        """Whether the samples are plain 16-bit PCM, which needs no decoder."""
        return self._header is not None and self._header.is_plain

    @property
    def promised_s(self) -> float | None:
        """Length in seconds that the container states; None if it states none or is damaged.

        Raises:
            AudioError: the file is not audio.
        """
        header = self._header
        if header is not None:
            cut = not header.frame_bytes or header.unread or missing(header.promised_s, header.frames / header.rate)
            return None if cut else header.promised_s
        if self._format is BY_NAME["ogg"]:
            pages = read_pages(self.file)
            return pages.seconds if pages.is_intact and sum(bool(link.sound) for link in pages.links) == 1 else None
        form = BY_NAME.get(self.info.format)
        stated = self.info.duration_s if form is not None and form.states_length else None
        promise = container_promise(self.file, self.info.format, stated)
        return None if promise.defect else promise.seconds

    @property
    def damage(self) -> str | None:
        """What is missing from the file, as a phrase; None if it is complete. Valid once all of it is decoded."""
        header = self._header
        if header is not None and header.unread:
            return header.unread
        if header is not None and header.frame_bytes:
            return missing(header.promised_s, self.seconds)
        if header is not None:
            cut = self.seconds * header.promised_size / max(1, header.size)
            promised = header.promised_s if header.is_exact else cut
            return missing(promised, self.seconds) or lost(self._lost_seconds(), self.seconds)
        if self._pages is not None:
            return self._pages.defect or missing(self._pages.seconds, self.seconds)
        form = BY_NAME.get(self.info.format)
        bare = form is None or not form.states_length
        promise = container_promise(self.file, self.info.format, None if bare else self.info.duration_s)
        found = missing(promise.seconds, self.seconds) or promise.defect
        if found or promise.seconds is not None:
            return found
        return lost(self._lost_seconds(bare=bare), self.seconds)

    @property
    def note(self) -> str | None:
        """What else a user should know about how the file was read; the file is usable."""
        cut = self._losses is not None and ends_within_frame(self.info.format, self._losses.last_packet)
        texts = ("ends within a frame, so it may be cut off" if cut and not self.damage else None, self._downmix.note)
        return "; ".join(text for text in texts if text) or None

    @property
    def warning(self) -> str | None:
        """`damage` and `note` in one phrase; None if there is neither."""
        return "; ".join(text for text in (self.damage, self.note) if text) or None

    def _lost_seconds(self, *, bare: bool = False) -> float:
        """Estimate of what the decoder skipped. ``bare``: bytes outside packets and tags count as sound, too."""
        losses = self._losses
        if losses is None or not losses.decoded:
            return 0.0
        good_bytes = max(1, losses.packet_bytes - losses.bad_bytes)
        lost_bytes = losses.bad_bytes
        if bare:  # tags may have come as packets
            lost_bytes = max(0, size_of(self.file) - tag_bytes(self.file) - good_bytes)
        seconds = lost_bytes / good_bytes * self.seconds
        if self._header is None:  # for WAV and similar formats FFmpeg makes up the timestamps
            seconds += losses.gap_s
        return seconds

    def _decoded(self, start: float, duration: float | None) -> Iterator[Block]:
        """Blocks (C, N) from the decoder for this file."""
        if self._format is BY_NAME["ogg"]:
            yield from self._ogg_links(start, duration)
            return
        header = self._header
        source = self.file if header is None else header.view(self.file)
        if header is not None and not header.size:
            return
        # libsndfile hides damage in compressed samples, and its MP3 decoder prints to standard error.
        plain = header is not None and header.frame_bytes
        if plain or self._format is BY_NAME["flac"]:
            yield from self._sndfile_first(source, start, duration)
        else:
            yield from self._ffmpeg(source, start, duration)

    def _sndfile_first(self, source: BinaryIO | FileView, start: float, duration: float | None) -> Iterator[Block]:
        """Decode with libsndfile up to an error and with FFmpeg from there: it skips damage and knows more codecs."""
        from core.audio.files.sndfile import sndfile_blocks

        done, rate = 0, 0
        try:
            for block_CN, rate in sndfile_blocks(self.path, source, start, duration):
                yield block_CN, rate
                done += block_CN.shape[1]
        except AudioError as error:
            skip = round(start * rate) + done
            left = None if duration is None else duration - done / max(1, rate)
            try:
                yield from self._ffmpeg(source, 0.0 if done else start, left, skip if done else 0)
            except AudioError:
                if not done:
                    raise error from None

    def _ogg_links(self, start: float, duration: float | None) -> Iterator[Block]:
        """Decode the chained streams of an Ogg file one after the other."""
        self._pages = pages = read_pages(self.file)
        sounding = [link for link in pages.links if link.sound]
        if len(sounding) == 1 and sounding[0].codec == "vorbis" and len(sounding[0].streams) == 1 and pages.is_intact:
            yield from self._sndfile_first(self.file, start, duration)
            return
        if len(sounding) <= 1:
            yield from self._ffmpeg(self.file, start, duration)
            return
        end = None if duration is None else start + duration
        for link in sounding:
            if start < link.seconds and (end is None or end > 0):
                view = FileView(self.file, link.begin, link.end)
                yield from self._ffmpeg(view, max(0.0, start), None if end is None else end - max(0.0, start))
            start -= link.seconds
            end = None if end is None else end - link.seconds

    def _ffmpeg(
        self, source: BinaryIO | FileView, start: float, duration: float | None, skip: int = 0
    ) -> Iterator[Block]:
        from core.audio.files.ffmpeg import Losses, ffmpeg_blocks

        self._losses = self._losses or Losses()
        yield from ffmpeg_blocks(self.path, source, start, duration, self._losses, skip)

    def _mono(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Downmix. The first seconds are held back until they show whether the channels cancel."""
        held: list[npt.NDArray[np.float32]] = []
        samples = rate = 0
        for block_CN, rate in blocks:
            held.append(block_CN)
            samples += block_CN.shape[1]
            enough = samples >= DECISION_SECONDS * rate or samples * len(block_CN) >= DECISION_SAMPLES
            if enough or (self._downmix.decided and samples >= rate):
                yield self._checked(held), rate
                held, samples = [], 0
        if held:
            yield self._checked(held), rate

    def _checked(self, held: list[npt.NDArray[np.float32]]) -> Waveform:
        channels = min(len(block_CN) for block_CN in held)
        if len(held) > 1:
            held = [np.concatenate([block_CN[:channels] for block_CN in held], axis=1)]
        with np.errstate(invalid="ignore", over="ignore"):
            mono = self._downmix(held[0])
        if not np.isfinite(mono).all():
            raise AudioError(self.path, "holds samples that are NaN or infinite")
        return mono


def decode(path: str | os.PathLike[str], *, start: float = 0.0, duration: float | None = None) -> tuple[Waveform, int]:
    """The mono waveform, (N,) float32 with full scale at 1, and its rate in Hz.

    ``start`` and ``duration`` are in seconds. Sound before ``start`` is skipped without decoding it. The waveform is
    shorter if the file ends earlier.

    Raises:
        AudioError: the file cannot be read, is not audio, or holds no samples there, or NaN or infinite ones.
    """
    with open_file(path) as file:
        pieces = list(AudioReader(path, file).pieces(start, duration))
    if not pieces:
        raise AudioError(path, "holds no samples" + (f" at {start:g} s" if start else ""))
    y = pieces[0][0] if len(pieces) == 1 else np.concatenate([piece for piece, _ in pieces])
    return np.ascontiguousarray(y), pieces[0][1]


def stream(path: str | os.PathLike[str], block_seconds: float = 30.0) -> Iterator[Block]:
    """The blocks of a whole file; see `AudioReader.blocks`.

    Raises:
        AudioError: as for `decode`; it may be raised after some blocks.
    """
    with open_file(path) as file:
        yield from AudioReader(path, file).blocks(block_seconds)


def decode_pcm16(
    path: str | os.PathLike[str], *, start: float = 0.0, duration: float | None = None
) -> tuple[npt.NDArray[np.int16], int] | None:
    """Samples of a mono file of plain 16-bit PCM, (N,) int16, and the rate in Hz; None for any other file.

    ``start`` and ``duration`` are in seconds.

    Raises:
        AudioError: the file cannot be read, or holds no samples.
    """
    with open_file(path) as file:
        header = read_header(file)
        if header is None or not header.is_plain:
            return None
        samples = read_pcm16(
            file, header, round(start * header.rate), None if duration is None else round(duration * header.rate)
        )
    if not len(samples):
        raise AudioError(path, "holds no samples")
    return samples, header.rate


def _pcm_pieces(file: BinaryIO, header: PcmHeader, start: float, duration: float | None) -> Iterator[Block]:
    position = round(start * header.rate)
    end = header.frames if duration is None else min(header.frames, position + round(duration * header.rate))
    size = max(1, round(PCM_SECONDS * header.rate))
    while position < end and len(samples := read_pcm16(file, header, position, min(size, end - position))):
        position += len(samples)
        yield np.multiply(samples, np.float32(1 / 32768), dtype=np.float32), header.rate


def _one_rate(blocks: Iterator[Block]) -> Iterator[Block]:
    """Resample all blocks to the rate of the first: chained streams may change it."""
    first = current = 0
    resamplers: list[Resampler] = []
    for block_CN, rate in blocks:
        first = first or rate
        if rate != current or len(resamplers) not in (0, len(block_CN)):
            yield from _flush(resamplers, first)
            current = rate
            resamplers = [] if rate == first else [Resampler(rate, first) for _ in block_CN]
        if resamplers:
            block_CN = _resampled(resamplers, block_CN)
        if block_CN.shape[1]:
            yield block_CN, first
    yield from _flush(resamplers, first)


def _flush(resamplers: list[Resampler], rate: int) -> Iterator[Block]:
    if resamplers:
        rest = np.zeros((len(resamplers), 0), dtype=np.float32)
        yield _resampled(resamplers, rest, last=True), rate


def _resampled(
    resamplers: list[Resampler], block_CN: npt.NDArray[np.float32], *, last: bool = False
) -> npt.NDArray[np.float32]:
    return np.stack([r.push(channel_N, last=last) for r, channel_N in zip(resamplers, block_CN, strict=True)])
