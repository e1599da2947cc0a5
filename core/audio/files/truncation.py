"""Whether a file is all there: decoders play a file that was cut off without a word."""

import struct
from typing import BinaryIO

from core.audio.files.open_file import peek, size_of
from core.audio.files.probe import AudioInfo

SLACK = 0.01
"""Fraction of its promised length, beside 0.1 s, that a file may lack: encoders pad, and count in whole frames."""
LARGEST_OGG_PAGE = 65_307


def cut_off(file: BinaryIO, info: AudioInfo, seconds: float) -> str | None:
    """What is missing from a file of which ``seconds`` could be decoded, in words; None where nothing is.

    AU, WAV, AIFF, FLAC, M4A and WMA state their length in the header, MP3 in the table that most encoders write into
    the first frame; Ogg counts its samples and ends with a whole page. Bare AAC, and MP3 without that table, promise
    nothing.
    """
    promised: float | None = info.duration_s
    if info.format in ("ogg", "opus") and not _ends_with_whole_ogg_page(file):
        return "is cut off: its last page is incomplete"
    if info.format == "mp3":
        promised = _seconds_in_mp3_table(file)
    elif info.format == "aac":
        promised = None
    if promised is None or seconds >= promised * (1 - SLACK) - 0.1:
        return None
    return f"is cut off or damaged: it should last {promised:.1f} s, and {seconds:.1f} s can be decoded"


def _ends_with_whole_ogg_page(file: BinaryIO) -> bool:
    size = size_of(file)
    begin = max(0, size - 2 * LARGEST_OGG_PAGE)
    tail = peek(file, size - begin, begin)
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return False
    segments = tail[page + 26]
    table = tail[page + 27 : page + 27 + segments]
    return len(table) == segments and len(tail) >= page + 27 + segments + sum(table)


def _seconds_in_mp3_table(file: BinaryIO) -> float | None:
    """The length in the Xing or Info header, which counts the frames of MPEG layer III audio."""
    begin = 0
    tag = peek(file, 10)
    if tag[:3] == b"ID3":
        begin = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    head = peek(file, 4096, begin)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    # The table follows the four bytes of the frame's header and its side information: 9, 17 or 32 bytes of nothing.
    frame = head.rfind(b"\xff", 0, max(0, at))
    if at < 0 or frame < 0 or len(head) < at + 12:
        return None
    version, rate_index = head[frame + 1] >> 3 & 3, head[frame + 2] >> 2 & 3
    flags, frames = struct.unpack(">II", head[at + 4 : at + 12])
    if not flags & 1 or rate_index == 3 or version == 1:
        return None
    rate = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    return float(frames * (1152 if version == 3 else 576) / rate)
