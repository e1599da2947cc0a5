"""From predictions to a user's own names, and to a playlist per label."""

import os
from pathlib import Path

import pytest

from core.inference.batch.export import LabelRules, Playlists, read_label_rules
from core.inference.types import Prediction, Reason
from core.util.errors import UserError


def prediction(probabilities: dict[str, float], reason: Reason | None = None) -> Prediction:
    genre = max(probabilities, key=lambda name: probabilities[name])
    return Prediction(
        genre=genre,
        probability=probabilities[genre],
        probabilities=probabilities,
        uncertain=reason is not None,
        reason=reason,
        duration_s=3.0,
    )


MIXED = {"rock": 0.45, "metal": 0.35, "jazz": 0.2}


def test_without_thresholds_the_likeliest_is_the_label() -> None:
    assert LabelRules().labels_of(prediction(MIXED)) == ["rock"]


@pytest.mark.parametrize("reason", list(Reason))
def test_an_uncertain_verdict_earns_no_label(reason: Reason) -> None:
    assert LabelRules().labels_of(prediction(MIXED, reason)) == []


def test_several_above_a_threshold_likeliest_first() -> None:
    assert LabelRules(threshold=0.3).labels_of(prediction(MIXED)) == ["rock", "metal"]
    assert LabelRules(threshold=0.5).labels_of(prediction(MIXED)) == []


def test_a_threshold_decides_where_no_genre_is_clear_but_not_on_what_is_not_music() -> None:
    assert LabelRules(threshold=0.3).labels_of(prediction(MIXED, Reason.UNCLEAR)) == ["rock", "metal"]
    assert LabelRules(threshold=0.3).labels_of(prediction(MIXED, Reason.UNKNOWN)) == []
    assert LabelRules(threshold=0.3).labels_of(prediction(MIXED, Reason.SILENCE)) == []


def test_thresholds_of_single_names_come_first() -> None:
    label_rules = LabelRules(threshold=0.3, thresholds={"rock": 0.9, "jazz": 0.1})
    assert label_rules.labels_of(prediction(MIXED)) == ["metal", "jazz"]


def test_genres_under_one_name_count_together() -> None:
    label_rules = LabelRules(names={"rock": "Loud", "metal": "Loud"}, threshold=0.75)
    assert label_rules.labels_of(prediction(MIXED)) == ["Loud"]


def test_an_empty_name_is_never_a_label() -> None:
    assert LabelRules(names={"rock": ""}).labels_of(prediction(MIXED)) == []
    assert LabelRules(names={"rock": ""}, threshold=0.3).labels_of(prediction(MIXED)) == ["metal"]


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.toml"
    path.write_text('threshold = 0.4\n[names]\nhiphop = "Hip-Hop"\n[thresholds]\n"Hip-Hop" = 0.6\n')
    assert read_label_rules(path) == LabelRules(threshold=0.4, names={"hiphop": "Hip-Hop"}, thresholds={"Hip-Hop": 0.6})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshold = 2", "from 0 to 1"),
        ("thresholds = 3", "Expected `object`"),
        ("tresholds = {}", "tresholds"),
        ("[names", "not a file of labels"),
    ],
)
def test_mistakes_are_reported(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_label_rules(path)


def test_names_and_thresholds_have_to_be_the_models() -> None:
    LabelRules(names={"rock": "Loud"}, thresholds={"Loud": 0.5, "jazz": 0.5}).check(list(MIXED))
    with pytest.raises(UserError, match="no genre 'polka'"):
        LabelRules(names={"polka": "Polka"}).check(list(MIXED))
    with pytest.raises(UserError, match="threshold for 'rock'"):
        LabelRules(names={"rock": "Loud"}, thresholds={"rock": 0.5}).check(list(MIXED))


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


def test_names_that_no_playlist_can_hold_are_reported(tmp_path: Path) -> None:
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
