"""Scanning: what is usable is found, what is not is named, and nothing stops it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.dataset import inspect_file as inspection
from core.dataset.clip import DatasetError
from core.dataset.inspect_file import inspect_file
from core.dataset.report import check
from core.dataset.scan import scan, survey
from core.util.errors import UserError
from tests.support.folders import genre_folder
from tests.support.paths import GTZAN_MINI
from tests.support.sounds import sweep, wav_header, write


def test_clips_genres_and_what_is_known_of_them(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"waltz": 2, "blues": 3})
    (root / "README.txt").write_text("no genre")
    (root / "blues" / "notes.txt").write_text("no clip")
    seen: list[tuple[int, int]] = []
    found = scan(root, on_progress=lambda done, total: seen.append((done, total)))
    assert found.genres == ["blues", "waltz"]
    assert [clip.name for clip in found.clips] == [f"blues.{i:05d}" for i in range(3)] + ["waltz.00000", "waltz.00001"]
    assert found.excluded == []
    clip = found.clips[0]
    assert (clip.genre, clip.rate, clip.channels, clip.format, clip.duration_s) == ("blues", 22_050, 1, "au", 1.0)
    assert len({clip.content for clip in found.clips}) == 5
    assert seen == [(i, 5) for i in range(1, 6)]
    assert found.hours == pytest.approx(5 / 3600)


def test_a_folder_that_holds_genres_is_as_good(tmp_path: Path) -> None:
    genre_folder(tmp_path / "genres", {"a": 1, "b": 1})
    assert scan(tmp_path).clips == scan(tmp_path / "genres").clips


def test_every_bad_file_is_named_with_its_reason(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 3, "b": 3})
    whole = (root / "a" / "a.00000.au").read_bytes()
    (root / "a" / "cut.au").write_bytes(whole[: len(whole) // 2])
    (root / "a" / "empty.mp3").touch()
    (root / "a" / "garbage.au").write_bytes(np.random.default_rng(0).bytes(9000))
    (root / "a" / "silent.wav").write_bytes(wav_header(size=88_200, rate=22_050) + bytes(88_200))
    write(root / "a" / "offset.wav", np.full(44_100, 0.5, np.float32), 22_050)
    write(root / "a" / "short.wav", sweep(0.1, 22_050), 22_050)
    nan = sweep(2, 22_050)
    nan[9] = np.nan
    write(root / "b" / "nan.wav", nan, 22_050, subtype="FLOAT")
    (root / "b" / "folder.wav").mkdir()
    (root / "b" / "loop.wav").symlink_to(root / "b" / "loop.wav")
    (root / "b" / "around").symlink_to(root)
    os.mkfifo(root / "b" / "pipe.flac")
    (root / "empty").mkdir()
    reasons = {item.path: item.reason for item in scan(root).excluded}
    assert reasons == {
        "a/cut.au": "is cut off or damaged: it should last 1.0 s, and 0.5 s can be decoded",
        "a/empty.mp3": "is empty (0 bytes)",
        "a/garbage.au": "is not audio, or its beginning is damaged",
        "a/silent.wav": "is silent",
        "a/offset.wav": "is silent",
        "a/short.wav": "is too short (0.10 s)",
        "b/nan.wav": "holds samples that are NaN or infinite",
        "b/around": "is a link to a folder above it",
        "b/folder.wav": "is a folder, not an audio file",
        "b/loop.wav": "cannot be read (too many levels of symbolic links)",
        "b/pipe.flac": "is not a regular file",
        "empty": "is a folder without audio files",
    }
    assert len(scan(root).clips) == 6


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".wma"])
def test_a_file_that_was_cut_off_is_excluded(suffix: str, tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    rate = 48_000 if suffix == ".opus" else 44_100
    path = write(root / "a" / f"x{suffix}", sweep(6, rate), rate)
    assert scan(root).excluded == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    (excluded,) = scan(root).excluded
    assert excluded.path == f"a/x{suffix}"


def test_names_that_are_not_text_can_be_shown(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    strange = root / os.fsdecode(b"genre\xff\n")
    (root / "a").rename(strange)
    (strange / "a.00000.au").rename(strange / os.fsdecode(b"so\xe9\nng.au"))
    found = scan(root)
    shown = [text for clip in found.clips for text in (clip.name, clip.genre)] + found.genres
    assert all(text.isprintable() and text.encode("utf-8") for text in shown)
    assert found.clips[1].path.is_file()
    assert scan(root).clips == found.clips


def test_a_second_scan_decodes_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = genre_folder(tmp_path, {"a": 2, "b": 2})
    (root / "a" / "bad.wav").write_bytes(b"nothing")
    first = scan(root)
    examined: list[str] = []

    def counted(path: Path) -> object:
        examined.append(path.name)
        return inspect_file(path)

    monkeypatch.setattr(inspection, "inspect_file", counted)
    assert scan(root) == first
    assert examined == []
    changed = root / "a" / "a.00001.au"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    status = changed.stat()
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, and the time set back
    assert scan(root).clips[1].content != first.clips[1].content
    assert examined == ["a.00001.au"]


def test_a_cache_that_cannot_be_used_stops_nothing(tmp_path: Path, cache: Path) -> None:
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    (cache / "scans").write_text("a file where the folder should be")
    first = scan(root)
    (cache / "scans").unlink()
    assert scan(root) == first
    for memo in (cache / "scans").iterdir():
        memo.write_bytes(b"damaged")
    assert scan(root) == first


def test_clips_of_one_name_in_two_formats_are_distinguished(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    write(root / "a" / "a.00000.wav", sweep(2, 22_050), 22_050)
    assert [clip.name for clip in scan(root).clips] == ["a.00000.au", "a.00000.wav", "b.00000"]


def test_an_index_adds_columns(tmp_path: Path) -> None:
    root = genre_folder(tmp_path / "data", {"a": 2, "b": 1})
    (root / "index.csv").write_text("name,artist\na.00000,Ann\nother,Bob\n")
    assert [clip.columns for clip in scan(root).clips] == [{"name": "a.00000", "artist": "Ann"}, {}, {}]
    whole = tmp_path / "whole"
    whole.mkdir()
    root.rename(whole / "genres")
    root = (whole / "genres" / "index.csv").rename(whole / "index.csv").parent
    assert scan(root).clips[0].columns["artist"] == "Ann"
    other = tmp_path / "other.csv"
    other.write_text("path,exact_duplicate_group\na/a.00001.au,x\nb/b.00000.au,x\n")
    assert [clip.group for clip in scan(root, index=other).clips] == [None, "x", "x"]


@pytest.mark.parametrize("text", ["", "artist\nAnn\n", "\x00\xff"])
def test_an_index_without_names_is_refused(text: str, tmp_path: Path) -> None:
    root = genre_folder(tmp_path / "data", {"a": 1, "b": 1})
    (tmp_path / "index.csv").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=r"index\.csv"):
        scan(root, index=tmp_path / "index.csv")


def test_folders_that_cannot_be_trained_on(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    genre_folder(tmp_path / "one", {"blues": 2})
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "x.mp3").touch()
    (tmp_path / "file").touch()
    for name, sentence in {
        "nowhere": "There is no folder",
        "file": "is a file; a dataset is a folder",
        "empty": "holds no audio: it should have a folder for each genre",
        "one": "has only one genre with usable clips, blues: a classifier needs",
        "bad": r"None of the 1 audio files .* can be used: 1 × is empty\.",
    }.items():
        with pytest.raises(DatasetError, match=sentence) as refused:
            scan(tmp_path / name)
        assert isinstance(refused.value, UserError)
        assert "\n" not in str(refused.value)
    assert survey(tmp_path / "one").genres == ["blues"]


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is permitted to root")
def test_what_is_not_permitted_is_excluded(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 2, "b": 1, "c": 1})
    (root / "a" / "a.00000.au").chmod(0)
    (root / "c").chmod(0)
    try:
        reasons = {item.path: item.reason for item in scan(root).excluded}
    finally:
        (root / "c").chmod(0o755)
    assert reasons == {"a/a.00000.au": "no permission to read it", "c": "cannot be listed (permission denied)"}


def test_the_report_says_what_is_there_and_what_is_wrong(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 3, "b": 2})
    (root / "a" / "copy.au").write_bytes((root / "a" / "a.00000.au").read_bytes())
    (root / "b" / "stolen.au").write_bytes((root / "a" / "a.00001.au").read_bytes())
    (root / "b" / "empty.mp3").touch()
    write(root / "b" / "x.flac", sweep(4, 44_100), 44_100)
    report = check(root)
    assert not report.is_clean
    assert report.duplicates == [["a/a.00000.au", "a/copy.au"], ["a/a.00001.au", "b/stolen.au"]]
    assert report.across_genres == [["a/a.00001.au", "b/stolen.au"]]
    second = report.genres[1]
    assert (second.genre, second.clips, second.excluded) == ("b", 4, 1)
    assert (second.formats, second.rates, second.longest_s) == ({"au": 3, "flac": 1}, {22_050: 3, 44_100: 1}, 4)
    text = report.as_text()
    assert report.durations == {"up to 10 s": 8} and report.majority == 0.5
    assert report.command == f"genre-tui train {root}"
    for line in (
        "8 clips in 2 genres",
        "accuracy of 50.0%",
        "hours per genre",
        "clips by duration",
        "b/empty.mp3: is empty (0 bytes)",
        "a/a.00001.au = b/stolen.au",
    ):
        assert line in text
    plain = report.as_dict()
    assert (plain["clips"], len(plain["genres"])) == (8, 2)  # type: ignore[arg-type]


def test_a_clean_folder_is_said_to_be_clean(tmp_path: Path) -> None:
    assert "no unreadable" in check(genre_folder(tmp_path, {"a": 3, "b": 3})).as_text()


@pytest.mark.skipif(not GTZAN_MINI.is_dir(), reason="gtzan-mini is not here")
def test_the_check_says_what_training_would_refuse(tmp_path: Path) -> None:
    report = check(genre_folder(tmp_path, {"many": 3, "two": 2}))
    assert report.refused is not None and "two" in report.refused
    assert not report.is_clean
    assert "training would be refused: The genre two has 2" in report.as_text()


def test_real_music_is_all_usable() -> None:
    report = check(GTZAN_MINI)
    assert sum(genre.clips for genre in report.genres) == 96
    assert report.is_clean


def test_scanning_loads_no_torch() -> None:
    program = (
        "import sys, core.audio.files.probe, core.dataset.scan, core.dataset.split\n"
        "import core.dataset.report, core.dataset.synthetic\n"
        "assert not {'torch', 'torchaudio', 'sklearn', 'matplotlib', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
