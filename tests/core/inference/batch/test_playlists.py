"""One playlist per label."""

import os
from pathlib import Path

from core.inference.batch.export import Playlists


def test_files_stand_under_each_of_their_labels_relative_to_the_playlist(tmp_path: Path) -> None:
    playlists = Playlists(tmp_path / "lists")
    assert playlists.add(tmp_path / "music" / "Ümlaut – 1.mp3", ["Rock", "AC/DC?"], 61.6) is None
    assert playlists.add(tmp_path / "lists" / "#1.mp3", ["Rock"], 3.0) is None
    assert [path.name for path in playlists.save()] == ["AC-DC-.m3u8", "Rock.m3u8"]
    assert (tmp_path / "lists" / "Rock.m3u8").read_text("utf-8").splitlines() == [
        "#EXTM3U",
        "#EXTINF:62,Ümlaut – 1",
        "../music/Ümlaut – 1.mp3",
        "#EXTINF:3,#1",
        "./#1.mp3",
    ]
    assert (tmp_path / "lists" / "AC-DC-.m3u8").exists()


def test_names_that_no_playlist_can_hold_are_told(tmp_path: Path) -> None:
    playlists = Playlists(tmp_path)
    assert "line break" in str(playlists.add(Path("new\nline.mp3"), ["rock"], 1))
    assert "not UTF-8" in str(playlists.add(Path(os.fsdecode(b"caf\xe9.mp3")), ["rock"], 1))
    assert playlists.save() == []


def entries(playlist: Path) -> list[Path]:
    """The files that a player finds."""
    lines = playlist.read_text("utf-8").splitlines()
    return [(playlist.parent / line).resolve() for line in lines if not line.startswith("#")]


def test_a_playlist_in_a_symlinked_folder_leads_to_its_files(tmp_path: Path) -> None:
    song = tmp_path / "music" / "deep" / "song.mp3"
    song.parent.mkdir(parents=True)
    song.touch()
    (tmp_path / "elsewhere" / "lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to(tmp_path / "elsewhere" / "lists")
    (tmp_path / "library").symlink_to(song.parent)
    playlists = Playlists(tmp_path / "lists")
    for path in (song, tmp_path / "library" / "song.mp3"):
        playlists.add(path, ["rock"], 1)
    (written,) = playlists.save()
    assert entries(written) == [song, song]
    assert all(path.exists() for path in entries(written))


def test_labels_that_map_to_one_file_name_keep_a_playlist_each(tmp_path: Path) -> None:
    labels = ["R/B", "R-B", "r:b", "Café", "Cafe\u0301", "", "..."]
    playlists = Playlists(tmp_path)
    for label in labels:
        playlists.add(tmp_path / f"{ord(label[0]) if label else 0}.mp3", [label], 1)
    written = playlists.save()
    assert len({path.name.casefold() for path in written}) == len(labels)
    assert sum(len(entries(path)) for path in written) == len(labels)
