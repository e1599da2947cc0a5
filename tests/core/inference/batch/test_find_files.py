"""Which files are meant."""

import os
from pathlib import Path

import pytest

from core.inference.batch.find_files import find_files
from core.inference.types import Unreadable


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(folder: Path, *arguments: str | Path) -> list[str]:
    found = find_files(arguments or [folder])
    return [
        f"! {os.path.relpath(f.path, folder)}: {f.error}" if isinstance(f, Unreadable) else os.path.relpath(f, folder)
        for f in found
    ]


def test_a_folder_is_searched_through_for_names_that_say_audio(tmp_path: Path) -> None:
    for name in ("b.wav", "a.MP3", "notes.txt", ".hidden.wav", ".git/x.wav", "deep/er/c.opus", "x.wav/inner.au"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["a.MP3", "b.wav", "deep/er/c.opus", "x.wav/inner.au"]


def test_a_named_file_is_taken_whatever_its_name_and_only_once(tmp_path: Path) -> None:
    touch(tmp_path / "music.dat")
    wav = touch(tmp_path / "a.wav")
    assert names(tmp_path, tmp_path / "music.dat", wav, tmp_path, wav) == ["music.dat", "a.wav"]


def test_what_is_missing_is_left_to_be_told_by_who_opens_it(tmp_path: Path) -> None:
    assert names(tmp_path, tmp_path / "gone.wav") == ["gone.wav"]


def test_patterns(tmp_path: Path) -> None:
    for name in ("jazz/1.au", "jazz/2.au", "jazz/1.txt", "rock/3.au"):
        touch(tmp_path / name)
    assert names(tmp_path, f"{tmp_path}/jazz/*") == ["jazz/1.au", "jazz/2.au"]
    assert names(tmp_path, f"{tmp_path}/**/*.au") == ["jazz/1.au", "jazz/2.au", "rock/3.au"]
    assert names(tmp_path, f"{tmp_path}/*.flac") == ["! *.flac: no file fits this pattern"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path / "live [1999].wav")
    assert names(tmp_path, tmp_path / "live [1999].wav") == ["live [1999].wav"]


def test_an_empty_folder_is_reported(tmp_path: Path) -> None:
    assert names(tmp_path) == ["! .: no audio files in this folder"]


def test_links_are_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "music" / "a.wav")
    (tmp_path / "music" / "loop").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "self").symlink_to("self")
    (tmp_path / "outside").symlink_to(tmp_path / "music")
    assert names(tmp_path) == ["music/a.wav", "outside/a.wav"]


def test_odd_names(tmp_path: Path) -> None:
    for name in (b"new\nline.wav", b"caf\xe9.wav"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert [os.fsencode(f.name) for f in find_files([tmp_path]) if isinstance(f, Path)] == [
        b"caf\xe9.wav",
        b"new\nline.wav",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_reported_and_the_rest_found(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    (tmp_path / "locked").mkdir(mode=0o000)
    assert names(tmp_path) == ["a.wav", "! locked: cannot be searched (permission denied)"]


def test_a_damaged_archive_is_a_line_and_the_rest_is_found(tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK")
    touch(tmp_path / "a.wav")
    damaged, inside, sound = names(tmp_path, *(tmp_path / name for name in ("cut.zip", "cut.zip/b.wav", "a.wav")))
    assert damaged.startswith("! cut.zip: cannot be searched (is not a zip archive")
    assert (inside, sound) == ("cut.zip/b.wav", "a.wav")
