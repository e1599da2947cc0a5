"""What is missing from a file is said, whatever its container; nothing is said of a file that is whole."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.audio.files.decode import AudioReader, decode
from core.audio.files.open_file import AudioError, open_file
from tests.support.audio_corpus import BARE_FRAMES, DAMAGES, LOSSY, VARIANTS, make

SECONDS = 2.0
STREAMED = (0, 0x7F00_0000, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF)
"""What programs write for a length that they do not know."""


def read(path: Path) -> tuple[float, str | None]:
    """Seconds that could be decoded, and the warning or the reason of an error."""
    try:
        with open_file(path) as file:
            reader = AudioReader(path, file)
            for block, _ in reader.blocks():
                assert np.isfinite(block).all()
            return reader.seconds, reader.warning
    except AudioError as error:
        return 0.0, error.reason


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("corpus")
    return {name: make(folder, name, SECONDS).read_bytes() for name in VARIANTS}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_whole_file_is_read_whole(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(corpus[name])
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_file_that_is_cut_to_half_is_said_to_be(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(corpus[name][: len(corpus[name]) // 2 + 7])
    seconds, warning = read(path)
    assert warning is not None
    assert seconds < 0.6 * SECONDS


COMPRESSED = [
    name
    for name in VARIANTS
    if not any(kind in name for kind in ("pcm", "float", "ulaw", "law", "sowt", "dsd", "gsm", "yamaha", "adpcm"))
]
"""In which a hole of zeros is not silence."""


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_hole_is_said(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(corpus[name])
    begin, end = len(content) * 4 // 10, len(content) * 6 // 10
    content[begin:end] = bytes(end - begin)
    path = tmp_path / name
    path.write_bytes(content)
    assert read(path)[1] is not None


def test_any_damage_is_answered_and_no_loss_is_silent(corpus: dict[str, bytes], tmp_path: Path) -> None:
    whole = {}
    for name, content in corpus.items():
        (tmp_path / name).write_bytes(content)
        whole[name] = read(tmp_path / name)[0]

    @settings(max_examples=150, deadline=10_000, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(VARIANTS)), st.sampled_from(list(DAMAGES)), st.integers(0, 2**32))
    def check(name: str, damage: str, seed: int) -> None:
        path = tmp_path / name
        path.write_bytes(DAMAGES[damage](corpus[name], np.random.default_rng(seed)))
        seconds, warning = read(path)
        silent = damage in LOSSY and not (damage == "shortened" and name in BARE_FRAMES)
        if silent and warning is None and damage not in ("flipped", "garbled"):
            assert whole[name] - seconds <= max(0.01 * whole[name], 0.1), (name, damage, seed)

    check()


def with_length(name: str, content: bytes, length: int) -> bytes:
    """The file as a program leaves it that wrote to a pipe."""
    changed = bytearray(content)

    def put(form: str, at: int, value: int) -> None:
        struct.pack_into(form, changed, at, value)

    if content[:4] == b"RF64":
        sizes = content.index(b"ds64") + 8
        put("<Q", sizes, length)
        put("<Q", sizes + 8, length)
    elif name.endswith(".wav"):
        put("<I", 4, min(length + 36, 0xFFFF_FFFF))
        put("<I", content.index(b"data", 12) + 4, length)
    elif name.endswith(".w64"):
        put("<Q", 16, length)
        put("<Q", content.index(b"data\xf3\xac") + 16, length)
    elif name.endswith(".aiff"):
        put(">I", 4, length)
        put(">I", content.index(b"SSND") + 4, length)
        put(">I", content.index(b"COMM") + 10, length // 4)
    elif name.endswith(".au"):
        put(">I", 8, length)
    else:
        put(">q", content.index(b"data") + 4, -1 if length == 0xFFFF_FFFF else length)
    return bytes(changed)


STREAMABLE = [name for name in VARIANTS if name.endswith((".wav", ".w64", ".aiff", ".au", "pcm_16.caf", "pcm_24.caf"))]


@pytest.mark.parametrize("name", STREAMABLE)
@pytest.mark.parametrize("length", STREAMED)
def test_a_recording_through_a_pipe_is_read_to_its_end(
    name: str, length: int, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(with_length(name, corpus[name], length))
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(SECONDS, abs=0.15)


def chunk_after_header(content: bytes, data: bytes) -> bytes:
    """The file with a chunk of ``data`` before its others, without the padding that an odd length needs."""
    if content[:4] == b"riff":
        guid = b"junk\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
        return content[:40] + guid + struct.pack("<Q", 24 + len(data)) + data + content[40:]
    at = 12 + (8 + struct.unpack("<I", content[16:20])[0] if content[:4] == b"RF64" else 0)
    order = ">" if content[:4] == b"FORM" else "<"
    return content[:at] + struct.pack(f"{order}4sI", b"NOTE", len(data)) + data + content[at:]


CHUNKED = [name for name in VARIANTS if name.endswith((".wav", ".w64", ".aiff"))]


@pytest.mark.parametrize("name", CHUNKED)
def test_a_chunk_without_its_padding_is_not_damage(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(chunk_after_header(corpus[name], b"hello"))
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    path.write_bytes(corpus[name])
    whole = decode(path, start=1.0, duration=0.5)[0]
    path.write_bytes(chunk_after_header(corpus[name], b"hello"))
    np.testing.assert_array_equal(decode(path, start=1.0, duration=0.5)[0], whole)


@pytest.mark.parametrize("filler", [b"x", b"\xff"])
def test_padding_need_not_be_zero(filler: bytes, corpus: dict[str, bytes], tmp_path: Path) -> None:
    content = chunk_after_header(corpus["wav_pcm_16.wav"], b"hello")
    at = content.index(b"hello") + 5
    (tmp_path / "x.wav").write_bytes(content[:at] + filler + content[at:])
    seconds, warning = read(tmp_path / "x.wav")
    assert (seconds, warning) == (SECONDS, None)


@pytest.mark.parametrize("name", [*CHUNKED, "au_pcm_16.au", "caf_pcm_16.caf"])
def test_sound_after_the_first_is_said(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(2 * corpus[name])
    seconds, warning = read(path)
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    assert "in another file appended to it, which is not read" in (warning or "")


@pytest.mark.parametrize(
    ("name", "header"),
    [("wav_pcm_16.wav", "<4sI"), ("wav_pcm_24.wav", "<4sI"), ("aiff_pcm_16.aiff", ">4sI8x"), ("w64_pcm_16.w64", "")],
)
def test_a_second_chunk_of_sound_is_said(name: str, header: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    content, path = corpus[name], tmp_path / name
    if header:
        kind = b"SSND" if ">" in header else b"data"
        second = struct.pack(header, kind, 4000 + struct.calcsize(header) - 8) + bytes(4000)
    else:
        at = content.index(b"data\xf3\xac")
        second = content[at : at + 16] + struct.pack("<Q", 24 + 4000) + bytes(4000)
    path.write_bytes(content + second)
    seconds, warning = read(path)
    assert seconds == pytest.approx(SECONDS, abs=0.01)
    assert "has more sound after the first 2.0 s, in a second chunk of sound" in (warning or "")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ogg_vorbis.ogg", "ogg_vorbis.ogg"),
        ("ogg_vorbis.ogg", "opus.opus"),
        ("flac.oga", "ogg_vorbis.ogg"),
        ("opus.opus", "flac.oga"),
    ],
)
def test_chained_ogg_is_decoded_whole(first: str, second: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "chain.ogg"
    path.write_bytes(corpus[first] + corpus[second])
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(2 * SECONDS, abs=0.05)
    part, rate = decode(path, start=1.5, duration=1.0)
    assert len(part) == rate


def test_a_link_that_is_missing_pages_is_said(corpus: dict[str, bytes], tmp_path: Path) -> None:
    content = corpus["ogg_vorbis.ogg"]
    pages = [at for at in range(len(content)) if content[at : at + 4] == b"OggS"]
    path = tmp_path / "hole.ogg"
    path.write_bytes(content[: pages[2]] + content[pages[3] :])
    assert "1 of its pages is missing" in (read(path)[1] or "")


def test_gigabytes_of_nothing_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.audio.files.ffmpeg.STALL_SECONDS", 0.3)
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    with path.open("r+b") as file:
        file.truncate(20 << 30)
    assert "no sound was found in it for" in (read(path)[1] or "")


def test_the_stream_flagged_as_default_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mka"
    with av.open(str(path), "w", format="matroska") as container:
        streams = [container.add_stream("flac", rate=22_050, layout="mono") for _ in range(2)]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for level, stream in zip((1000, 8000), streams, strict=True):
            resampler = av.AudioResampler("s16", "mono", 22_050, frame_size=4608)
            frame = av.AudioFrame.from_ndarray(np.full((1, 22_050), level, dtype=np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 22_050, 0
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
    y, _ = decode(path)
    np.testing.assert_allclose(y, 8000 / 32768, atol=1e-4)


@pytest.mark.parametrize("name", ["mp3_cbr.mp3", "mp3_without_xing.mp3", "aac.aac"])
def test_tags_around_bare_frames_are_not_damage(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    size = 60_000
    ape = struct.pack("<8sIIII8x", b"APETAGEX", 2000, size + 32, 1, 0xA000_0000) + bytes(range(200)) * 300
    ape += struct.pack("<8sIIII8x", b"APETAGEX", 2000, size + 32, 1, 0x8000_0000)
    path = tmp_path / name
    path.write_bytes(b"ID3\4\0\0\0\0\7\x68" + bytes(1000) + corpus[name] + ape + b"TAG" + bytes(125))
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - set(BARE_FRAMES)))
def test_a_tag_before_a_container_changes_nothing(name: str, corpus: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"ID3\4\0\0\0\0\7\x68" + bytes(1000) + corpus[name])
    seconds, warning = read(path)
    assert warning is None
    assert seconds == pytest.approx(SECONDS, abs=0.1)
