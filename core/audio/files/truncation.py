"""Detecting truncated and damaged files: the length that a container states, and whether the container is complete.

Decoders play truncated files and skip damage without reporting it. What they skip is found by comparing with what the
container promises: a number of samples, a length, or the sizes of its boxes, pages and packets.
"""

import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from core.audio.files.open_file import FileView, peek, size_of

SLACK = 0.01
"""Fraction of a file that may be missing: encoders pad to whole frames."""
SLACK_SECONDS, ESTIMATE_SECONDS = 0.05, 0.1
"""Seconds that may always be missing: where the container counts them, and where they are estimated."""
MOST_BOXES = 200_000
ASF_HEADER = bytes.fromhex("3026B2758E66CF11A6D900AA0062CE6C")
ASF_FILE_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
ASF_DATA = bytes.fromhex("3626B2758E66CF11A6D900AA0062CE6C")
ASF_PADDING = 0.1
"""Seconds by which encoders round up the length."""
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
EBML_SEGMENT, EBML_INFO, EBML_TRACKS, EBML_TRACK = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE
EBML_TIMESTAMP_SCALE, EBML_DURATION = 0x2AD7B1, 0x4489


class Promise(NamedTuple):
    seconds: float | None = None
    """None if the container does not state it."""
    defect: str | None = None
    """What is missing from the container, as a phrase."""


def missing(promised: float | None, decoded: float) -> str | None:
    """A phrase that says how much of ``promised`` seconds is missing; None if ``decoded`` is close enough."""
    if promised is None or promised - decoded <= max(SLACK * promised, SLACK_SECONDS):
        return None
    return f"is cut off or damaged: it should last {promised:.1f} s, and {decoded:.1f} s can be decoded"


def lost(seconds: float, decoded: float) -> str | None:
    """The same if the missing ``seconds`` are estimated."""
    if seconds <= max(SLACK * (decoded + seconds), ESTIMATE_SECONDS):
        return None
    return f"is damaged or cut off: about {seconds:.1f} s of it cannot be decoded"


def container_promise(file: BinaryIO, name: str, stated: float | None) -> Promise:
    """What a container of the format ``name`` promises; for formats not read here, ``stated`` by the decoder."""
    read = _PROMISES.get(name)
    return read(file, stated) if read else Promise(stated)


def _flac(file: BinaryIO, stated: float | None) -> Promise:
    info = peek(file, 26)
    if len(info) < 26 or info[:4] != b"fLaC" or info[4] & 127:
        return Promise(stated)  # it begins with another kind of tag
    packed = int.from_bytes(info[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return Promise(samples / rate if rate and samples else None)


def _mp3(file: BinaryIO, stated: float | None) -> Promise:
    """From the Xing or Info header that most encoders write into the first frame."""
    from mutagen.mp3 import HeaderNotFoundError, MPEGInfo
    from mutagen.mp3 import _util as header

    xing: Any = header.XingHeader  # has no types
    view = FileView(file)
    try:
        info = MPEGInfo(view)
        if info.layer != 3:
            return Promise()
        view.seek(info.frame_offset + xing.get_offset(info))
        frames = xing(view).frames
    except (HeaderNotFoundError, header.XingHeaderError, OSError):
        return Promise()
    return Promise(info.length if frames > 0 else None)


def _mp4(file: BinaryIO, stated: float | None) -> Promise:
    """The boxes must follow each other to the end; a fragmented file does not state its length."""
    size, position, fragments, kind = size_of(file), leading_tag_bytes(file), False, b""
    for _ in range(MOST_BOXES):
        head = peek(file, 16, position)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        elif length == 0 and kind.isalnum():
            length = size - position
        if length < 8 or not all(byte >= 32 for byte in kind):
            return Promise(None if fragments else stated, "is damaged: a part of its container is unreadable")
        fragments |= kind == b"moof"
        position += length
        if position > size:
            return Promise(None if fragments else stated, "is cut off: the last part of its container is incomplete")
    if fragments and kind == b"moof":
        return Promise(None, "is cut off: its last fragment is missing")
    return Promise(None if fragments else stated)


def _asf(file: BinaryIO, stated: float | None) -> Promise:
    """The header counts packets of equal size; FFmpeg estimates the length if the writer left it open."""
    head = peek(file, 30)
    if head[:16] != ASF_HEADER or len(head) < 30:
        return Promise()
    objects, position, packets, packet_bytes = struct.unpack("<I", head[24:28])[0], 30, 0, 0
    seconds = None
    for _ in range(min(objects, 1000)):
        part = peek(file, 104, position)
        if len(part) < 24:
            break
        length = struct.unpack("<Q", part[16:24])[0]
        if part[:16] == ASF_FILE_PROPERTIES and len(part) == 104:
            packets, ticks, _, preroll = struct.unpack("<QQQQ", part[56:88])
            seconds = max(0.0, ticks / 1e7 - preroll / 1e3 - ASF_PADDING)
            flags, smallest, packet_bytes = struct.unpack("<III", part[88:100])
            if flags & 1 or smallest != packet_bytes:  # a broadcast
                return Promise()
        position += max(24, length)
    position = struct.unpack("<Q", head[16:24])[0]
    if not (packets and packet_bytes) or peek(file, 16, position) != ASF_DATA:
        return Promise()
    present = max(0, size_of(file) - position - 50) // packet_bytes
    if present >= packets:
        return Promise(seconds)
    return Promise(seconds, f"is cut off: it holds {present:,} of {packets:,} packets")


def _matroska(file: BinaryIO, stated: float | None) -> Promise:
    size, seconds, tracks = size_of(file), None, 1
    head = _element(file, 0)
    segment = _element(file, head[1] + head[2]) if head and head[2] is not None else None
    if segment is None or segment[0] != EBML_SEGMENT:
        return Promise()
    position = segment[1]
    end = size if segment[2] is None else position + segment[2]
    while position < min(end, size):
        element = _element(file, position)
        if element is None or (element[0] >> 24 == 0 and element[0] != 0xEC):
            return Promise(seconds, "is damaged: a part of its container is unreadable")
        identity, position, length = element
        if length is None or tracks > 1:  # it was streamed, or the length may be that of another track
            return Promise(seconds if tracks == 1 else None)
        if identity == EBML_INFO:
            seconds = _matroska_seconds(file, position, position + length)
        elif identity == EBML_TRACKS:
            tracks = _matroska_tracks(file, position, position + length)
        position += length
    if max(position, end) > size:
        return Promise(seconds, "is cut off: the last part of its container is incomplete")
    return Promise(seconds)


def _matroska_tracks(file: BinaryIO, position: int, end: int) -> int:
    tracks = 0
    while position < end and (element := _element(file, position)) is not None and element[2] is not None:
        tracks += element[0] == EBML_TRACK
        position = element[1] + element[2]
    return tracks


def _matroska_seconds(file: BinaryIO, position: int, end: int) -> float | None:
    scale, duration = 1_000_000, None
    while position < end and (element := _element(file, position)) is not None:
        identity, position, length = element
        if length is None:
            break
        if identity == EBML_TIMESTAMP_SCALE:
            scale = int.from_bytes(peek(file, length & 15, position), "big")
        elif identity == EBML_DURATION and length in (4, 8):
            data = peek(file, length, position)
            duration = struct.unpack(">f" if length == 4 else ">d", data)[0] if len(data) == length else None
        position += length
    return duration * scale / 1e9 if duration and duration > 0 else None


def _element(file: BinaryIO, position: int) -> tuple[int, int, int | None] | None:
    """ID, offset of the content and size of an EBML element; the size is None if the writer left it open."""
    head = peek(file, 12, position)
    if not head or head[0] < 16:
        return None
    width = 9 - head[0].bit_length()
    if len(head) <= width or not head[width]:
        return None
    size_width = 9 - head[width].bit_length()
    field = head[width : width + size_width]
    size = int.from_bytes(field, "big") & (1 << 7 * size_width) - 1
    unknown = size == (1 << 7 * size_width) - 1
    return int.from_bytes(head[:width], "big"), position + width + size_width, None if unknown else size


def _dsf(file: BinaryIO, stated: float | None) -> Promise:
    head = peek(file, 72)
    if len(head) < 72 or head[28:32] != b"fmt ":
        return Promise()
    rate, _, samples = struct.unpack("<IIQ", head[56:72])
    return Promise(samples / rate if rate else None)


_PROMISES: dict[str, Callable[[BinaryIO, float | None], Promise]] = {
    "flac": _flac,
    "mp3": _mp3,
    "m4a": _mp4,
    "wma": _asf,
    "matroska": _matroska,
    "dsf": _dsf,
}


def ends_within_frame(name: str, packet: bytes) -> bool:
    """Whether the last packet of a file of bare frames is shorter than its header states."""
    if name in ("aac", "mp3") and len(packet) >= 4:
        # Without the bit for padding, which is not missed at the end of a file.
        length = mpeg_frame_bytes(packet[:2] + bytes([packet[2] & 0xFD]) + packet[3:])
        return length is not None and len(packet) < length
    if name == "eac3" and len(packet) >= 4:
        return len(packet) < 2 * (((packet[2] & 7) << 8 | packet[3]) + 1)
    if name == "ac3" and len(packet) >= 5 and packet[4] >> 6 < 3 and (code := packet[4] & 63) < 38:
        samples_per_word = (48_000, 44_100, 32_000)[packet[4] >> 6] * 16
        words = AC3_KBPS[code // 2] * 1000 * 1536 // samples_per_word + (code & 1 if packet[4] >> 6 == 1 else 0)
        return len(packet) < 2 * words
    return False


MPEG_KBPS = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    4: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    5: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates of MPEG 1, layers I to III, and of MPEG 2, layer I and the others."""


def mpeg_frame_bytes(head: bytes) -> int | None:
    """The length in bytes of the MPEG audio or ADTS frame that ``head`` begins with; None if it does not."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:  # ADTS: 13 bits of length
        return ((head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5) or None if len(head) >= 6 else None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)  # version: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    bits_per_s = 1000 * MPEG_KBPS[layer if version == 3 else 4 if layer == 1 else 5][bit_rate - 1]
    hertz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits_per_s // hertz + padding)
    return (72 if layer == 3 and version != 3 else 144) * bits_per_s // hertz + padding


def leading_tag_bytes(file: BinaryIO) -> int:
    """Bytes of the ID3v2 tags at the beginning."""
    begin = 0
    while (tag := peek(file, 10, begin))[:3] == b"ID3" and len(tag) == 10:
        begin += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + (10 if tag[5] & 16 else 0)
    return begin


def tag_bytes(file: BinaryIO) -> int:
    """Bytes of the ID3 and APE tags around bare frames."""
    size = size_of(file)
    begin = leading_tag_bytes(file)
    end = size
    if peek(file, 3, max(0, end - 128)) == b"TAG":
        end -= 128
    footer = peek(file, 32, max(0, end - 32))
    if footer[:8] == b"APETAGEX":
        length, _, flags = struct.unpack("<III", footer[12:24])
        end -= length + (32 if flags >> 31 else 0)
    return min(size, begin + size - end)
