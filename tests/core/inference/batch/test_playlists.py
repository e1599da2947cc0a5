"""A playlist a genre."""

import os
from pathlib import Path

from core.inference.batch.playlists import Playlists


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
    assert "no UTF-8" in str(playlists.add(Path(os.fsdecode(b"caf\xe9.mp3")), ["rock"], 1))
    assert playlists.save() == []
