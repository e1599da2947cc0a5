"""Inspecting a file by its header and both ends says what decoding it says, and training finds what that misses."""

from pathlib import Path

import numpy as np
import pytest

from core.dataset.inspect_file import inspect_file, inspect_whole
from core.dataset.report import check
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.features.settings import FrontEndSettings
from tests.support.audio_corpus import VARIANTS, sound_for
from tests.support.sounds import encode

SECONDS = 11.0
PROBED = ("mp3_vbr.mp3", "flac_pcm_16.flac", "ogg_vorbis.ogg", "opus.opus", "aac.m4a", "wav_pcm_24.wav", "wma.wma")
FRONT_END = FrontEndSettings(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, seconds=30.0)


def made(path: Path, before: float = 0.0, after: float = 0.0, seed: int = 0) -> Path:
    """A sound between two silences, in the format of the name."""
    y, rate = sound_for(path.name, SECONDS, seed)
    quiet = [np.zeros((round(seconds * rate), y.shape[1]), np.float32) for seconds in (before, after)]
    path.parent.mkdir(parents=True, exist_ok=True)
    VARIANTS[path.name](path, np.concatenate([quiet[0], y, quiet[1]]), rate)
    return path


def holed(path: Path, begin: float, end: float) -> Path:
    """The file with garbage in its middle, where the fractions of its length say."""
    content = bytearray(path.read_bytes())
    first, last = (round(share * len(content)) for share in (begin, end))
    content[first:last] = bytes([0xAA]) * (last - first)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (3.5, 5.25)])
@pytest.mark.parametrize("name", PROBED)
def test_header_and_ends_agree_with_all_of_it(name: str, before: float, after: float, tmp_path: Path) -> None:
    path = made(tmp_path / name, before, after)
    found, whole = inspect_file(path), inspect_whole(path)
    assert not found.is_decoded and whole.is_decoded
    assert (found.content, found.format, found.rate, found.channels) == (
        whole.content,
        whole.format,
        whole.rate,
        whole.channels,
    )
    assert found.duration_s == pytest.approx(whole.duration_s, abs=0.1)
    assert found.silent_s == pytest.approx(whole.silent_s, abs=0.1)
    assert found.silent_end_s == pytest.approx(whole.silent_end_s, abs=0.1)


@pytest.mark.parametrize("name", PROBED)
def test_a_file_that_ends_too_early_is_found(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert inspect_file(path) == inspect_whole(path)
    assert inspect_file(path).reason is not None


@pytest.mark.parametrize("name", ["mp3_without_xing.mp3", "aac.aac", "wav_ima_adpcm.wav"])
def test_a_file_whose_length_is_not_known_is_decoded(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / name)
    assert inspect_file(path) == inspect_whole(path)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Two genres; one of the six files has a hole."""
    for number in range(3):
        made(tmp_path / "rock" / str(number) / "aac.m4a", seed=number)
        made(tmp_path / "jazz" / str(number) / "aac.m4a", seed=10 + number)
    holed(tmp_path / "rock" / "2" / "aac.m4a", 0.4, 0.6)
    return tmp_path


def test_training_leaves_out_what_is_damaged_where_it_is_used(damaged: Path) -> None:
    found = scan(damaged)
    assert (len(found.clips), found.undecoded, found.excluded) == (6, 6, [])
    features, failed = compute_features(found.clips, FRONT_END)
    assert len(features) == 5
    assert [(Path(one.path).parent.name, "damaged" in one.reason) for one in failed] == [("2", True)]


def test_a_check_decodes_unless_there_is_much_or_it_is_told_not_to(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = check(damaged, decode=False)
    assert (quick.excluded, quick.undecoded, quick.near_duplicates) == ([], 6, None)
    assert "near duplicates: 6 files" in quick.as_text() and "no unreadable" not in quick.as_text()
    report = check(damaged, by_sound=False)
    assert [one.path for one in report.excluded] == ["rock/2/aac.m4a"]
    assert report.undecoded == 0
    monkeypatch.setattr("core.dataset.report.MOST_DECODED", 0.01)
    assert check(damaged, by_sound=False).undecoded == 6
    assert check(damaged, by_sound=False, decode=True).undecoded == 0
    assert len(scan(damaged).clips) == 6, "a scan does not depend on what was decoded before"


def test_a_part_beyond_the_hole_is_used(tmp_path: Path) -> None:
    y, rate = sound_for("aac.m4a", 60.0)
    for genre in ("rock", "jazz"):
        (tmp_path / genre).mkdir()
        encode(tmp_path / genre / f"{genre}.m4a", y, rate, codec="aac", bit_rate=128_000, container_format="ipod")
    holed(tmp_path / "rock" / "rock.m4a", 0.7, 0.75)
    short = FrontEndSettings(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, seconds=5.0)
    features, failed = compute_features(scan(tmp_path).clips, short, excerpts=3)
    assert not failed
    assert features.excerpts.count_N.tolist() == [3, 3]
