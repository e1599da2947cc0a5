"""Files that are not what they seem: each gives samples or an AudioError with a reason, and nothing else."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from core.audio.files.decode import AudioReader, decode, decode_pcm16, stream
from core.audio.files.ffmpeg import _channels
from core.audio.files.formats import is_audio
from core.audio.files.open_file import AudioError, open_file
from core.audio.files.probe import probe
from core.util.errors import UserError
from core.util.text import printable
from tests.support.sounds import SUFFIXES, au_header, sweep, wav_header, write


def reason(path: Path) -> str:
    """Why decoding refuses a file; probing must end likewise or give a plausible header."""
    with pytest.raises(AudioError) as refused:
        decode(path)
    assert isinstance(refused.value, UserError)
    assert "\n" not in str(refused.value)
    with pytest.raises(AudioError):
        list(stream(path))
    return refused.value.reason


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    [b"\0" * 50_000, b"<html>404</html>" * 500, np.random.default_rng(3).bytes(50_000), b"RIFF", b".snd"],
    ids=["zeros", "a page", "noise", "RIFF", ".snd"],
)
def test_what_is_not_audio_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert reason(path)
    with pytest.raises(AudioError):
        probe(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.touch()
    assert reason(path) == "is empty (0 bytes)"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.9])
def test_a_file_that_was_cut_off_gives_its_beginning_or_a_reason(suffix: str, kept: float, tmp_path: Path) -> None:
    rate = 48_000 if suffix == ".opus" else 44_100
    path = write(tmp_path / f"x{suffix}", sweep(6, rate), rate)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    try:
        y, _ = decode(path)
    except AudioError as error:
        assert error.reason
    else:
        assert 0 < len(y) <= (kept + 0.1) * 6 * rate


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_garbage_in_the_middle_never_raises_anything_else(suffix: str, tmp_path: Path) -> None:
    rate = 48_000 if suffix == ".opus" else 44_100
    path = write(tmp_path / f"x{suffix}", sweep(6, rate), rate)
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    for seed in range(5):
        content[third : 2 * third] = np.random.default_rng(seed).bytes(third)
        path.write_bytes(content)
        try:
            y, _ = decode(path)
            assert np.isfinite(y).all()
        except AudioError as error:
            assert error.reason


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_anywhere_gives_samples_or_a_reason_and_prints_nothing(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes changed in the header, bytes changed anywhere, bytes put in, bytes cut out."""
    rate = 48_000 if suffix == ".opus" else 44_100
    path = write(tmp_path / f"x{suffix}", sweep(1, rate), rate)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(7)
    for attempt in range(40):
        content = whole.copy()
        place, other = sorted(rng.integers(0, len(whole), 2))
        if attempt % 4 == 0:
            content[rng.integers(0, min(200, len(whole)), 4)] = rng.integers(0, 256, 4)
        elif attempt % 4 == 1:
            content[rng.integers(0, len(whole), 100)] = rng.integers(0, 256, 100)
        elif attempt % 4 == 2:
            content = np.insert(content, place, rng.integers(0, 256, 2000, dtype=np.uint8))
        else:
            content = np.delete(content, slice(place, other))
        path.write_bytes(content.tobytes())
        for look in (decode, probe, lambda file: decode(file, start=0.6, duration=0.2)):
            try:
                look(path)
            except AudioError as error:
                assert error.reason
    assert capfd.readouterr() == ("", "")


def test_a_garbage_au_is_not_played_as_raw_samples(tmp_path: Path) -> None:
    """libsndfile goes by the suffix and opens this file as µ-law at 8 kHz."""
    path = tmp_path / "x.au"
    path.write_bytes(np.random.default_rng(0).bytes(80_000))
    assert soundfile.info(path).format == "RAW"
    assert reason(path) == "is not audio, or its beginning is damaged"


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFE, 10_000_000])
def test_a_length_that_is_not_there_is_not_believed(size: int, tmp_path: Path) -> None:
    samples = (sweep(1, 22_050) * 32767).astype(np.int16)
    au, wav = tmp_path / "x.au", tmp_path / "x.wav"
    au.write_bytes(au_header(size=size, rate=22_050) + samples.astype(">i2").tobytes())
    wav.write_bytes(wav_header(size=size, rate=22_050) + samples.tobytes())
    for path in (au, wav):
        assert len(decode(path)[0]) == 22_050
        np.testing.assert_array_equal((decode_pcm16(path) or pytest.fail())[0], samples)
        promised = size / 2 / 22_050 if size == 10_000_000 else 1
        assert probe(path).duration_s == pytest.approx(promised)


def test_a_header_without_samples_is_refused(tmp_path: Path) -> None:
    for path, content in (
        (tmp_path / "x.au", au_header(size=0, rate=22_050)),
        (tmp_path / "y.au", au_header(size=1000, rate=22_050, offset=5000)),
        (tmp_path / "x.wav", wav_header(size=1000, rate=22_050)),
    ):
        path.write_bytes(content)
        assert reason(path) == "holds no samples"
        with pytest.raises(AudioError):
            decode_pcm16(path)


@pytest.mark.parametrize("bad", [{"rate": 0}, {"channels": 0}, {"encoding": 99}])
def test_a_nonsensical_header_is_refused(bad: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "x.au"
    path.write_bytes(au_header(**{"size": 4000, "rate": 22_050} | bad) + b"\1\2" * 2000)
    assert reason(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 30_000, -1])
def test_samples_that_are_not_finite_are_refused(value: float, place: int, tmp_path: Path) -> None:
    y = sweep(3, 22_050)
    y[place] = value
    path = write(tmp_path / "x.wav", y, 22_050, subtype="FLOAT")
    assert "NaN or infinite" in reason(path)


def test_levels_far_from_full_scale_come_through(tmp_path: Path) -> None:
    for level in (1e-20, 1e20):
        path = write(tmp_path / "x.wav", sweep(1, 22_050) * np.float32(level), 22_050, subtype="FLOAT")
        np.testing.assert_allclose(decode(path)[0], sweep(1, 22_050) * np.float32(level), rtol=1e-6)


@pytest.mark.parametrize("rate", [1, 384_000, 44_101])
def test_strange_rates(rate: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", sweep(20 if rate == 1 else 0.5, rate), rate)
    y, decoded_rate = decode(path)
    assert (decoded_rate, len(y)) == (rate, 20 if rate == 1 else rate // 2)


def test_thirty_two_channels(tmp_path: Path) -> None:
    y = np.zeros((22_050, 32), dtype=np.float32)
    y[:, 7] = sweep(1, 22_050)
    path = write(tmp_path / "x.wav", y, 22_050)
    assert probe(path).channels == 32
    assert np.abs(decode(path)[0] * 32 - y[:, 7]).max() < 0.01


def test_folders_pipes_devices_and_loops_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "nothing.wav").symlink_to(tmp_path / "gone.wav")
    reasons = {path.stem: reason(path) for path in tmp_path.iterdir()}
    assert reasons == {
        "folder": "is a folder, not an audio file",
        "pipe": "is not a regular file",
        "device": "is not a regular file",
        "loop": "cannot be read (too many levels of symbolic links)",
        "nothing": "no such file",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is permitted to root")
def test_no_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", sweep(1, 22_050), 22_050)
    path.chmod(0)
    assert reason(path) == "no permission to read it"


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a"])
def test_names_that_are_not_text(suffix: str, tmp_path: Path) -> None:
    sound = write(tmp_path / f"x{suffix}", sweep(1, 44_100), 44_100)
    for name in (b"two\nlines", b"\xff\xfe latin", "naïve 🎵".encode(), b"-rf", b"%s", b"concat:a|b", b"http:x"):
        path = sound.rename(tmp_path / (os.fsdecode(name) + suffix))
        assert len(decode(path)[0]) > 40_000
        assert probe(path).format == suffix[1:]
        assert is_audio(path)
        printable(path).encode("utf-8")
        assert printable(path).isprintable()
        sound = path


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.mp3", sweep(1, 44_100), 44_100)
    for name, text in (
        ("hls.mp3", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("concat.mp3", f"ffconcat version 1.0\nfile '{secret}'\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        assert reason(path) == "is not audio, or its beginning is damaged"


def test_a_start_beyond_the_end(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".mp3"):
        path = write(tmp_path / f"x{suffix}", sweep(2, 44_100), 44_100)
        with pytest.raises(AudioError, match="no samples at 9 s"):
            decode(path, start=9)
        assert len(decode(path, start=1, duration=100)[0]) == pytest.approx(44_100, abs=2000)


def test_nothing_is_printed(tmp_path: Path) -> None:
    """libmpg123 and FFmpeg write complaints to file descriptor 2, which a terminal application draws on."""
    good = write(tmp_path / "good.mp3", sweep(2, 44_100), 44_100).read_bytes()
    (tmp_path / "cut.mp3").write_bytes(good[: len(good) // 2])
    (tmp_path / "gap.mp3").write_bytes(good[:8000] + b"\xff" * 5000 + good[8000:])
    (tmp_path / "lie.wav").write_bytes(good)
    (tmp_path / "tag.mp3").write_bytes(b"ID3\x04\x00\x80\xff\xff\xff\xff" + good)
    program = (
        "import sys\nfrom pathlib import Path\nfrom core.audio.files.decode import decode\n"
        "from core.audio.files.open_file import AudioError\n"
        "for path in Path(sys.argv[1]).iterdir():\n"
        "    try: decode(path)\n"
        "    except AudioError: pass\n"
    )
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, check=True)
    assert (run.stdout, run.stderr) == (b"", b"")


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".wav", ".aiff", ".au", ".caf", ".ogg"])
@pytest.mark.parametrize("tag_bytes", [100, 60_000, 300_000, 4_000_000])
def test_a_tag_before_any_format_is_skipped(suffix: str, tag_bytes: int, tmp_path: Path) -> None:
    sound = write(tmp_path / f"x{suffix}", sweep(2, 44_100), 44_100).read_bytes()
    size = bytes(tag_bytes >> shift & 127 for shift in (21, 14, 7, 0))
    (tmp_path / f"x{suffix}").write_bytes(b"ID3\x04\x00\x00" + size + bytes(tag_bytes) + sound)
    with open_file(tmp_path / f"x{suffix}") as file:
        reader = AudioReader(tmp_path / f"x{suffix}", file)
        assert sum(len(y) / rate for y, rate in reader.blocks()) == pytest.approx(2.0, abs=0.1)
        assert reader.warning is None


def test_samples_of_64_bit_integers(tmp_path: Path) -> None:
    y = sweep(1, 8000)
    form = struct.pack("<HHIIHH", 1, 1, 8000, 64_000, 8, 64)
    data = (y * 2.0**62).astype("<i8").tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    (tmp_path / "x.wav").write_bytes(head + b"data" + struct.pack("<I", len(data)) + data)
    decoded, rate = decode(tmp_path / "x.wav")
    assert rate == 8000
    np.testing.assert_allclose(decoded, y / 2, atol=1e-6)


def test_sixteen_planes() -> None:
    channels = np.arange(16, dtype=np.float32).repeat(100).reshape(16, 100)
    woven = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1), format="flt", layout="hexadecagonal")
    woven.sample_rate = 48_000
    planar = av.AudioResampler(format="fltp").resample(woven)[0]
    assert planar.format.is_planar
    np.testing.assert_array_equal(_channels(planar), channels)


DECODE = """
import sys
import numpy as np
from pathlib import Path
from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError
path = Path(sys.argv[1])
whole = path.read_bytes()
start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
for seed in range(60):
    path.write_bytes(whole[:start] + np.random.default_rng(seed).bytes(end - start) + whole[end:])
    try:
        decode(path)
    except AudioError:
        continue
"""


def test_an_encrypted_file_costs_no_more_than_itself(tmp_path: Path) -> None:
    """Random bytes now and then make the AAC decoder deliver frames of 47 channels."""
    path = write(tmp_path / "encrypted.m4a", np.zeros(4 * 44_100, dtype=np.float32) + 0.1, 44_100)
    done = subprocess.run([sys.executable, "-c", DECODE, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
