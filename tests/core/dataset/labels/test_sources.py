"""Several genres per file, merged names, trees, and wrong inputs that are one sentence with the next step."""

import re
import struct
from pathlib import Path

import pytest

from core.audio.files.tags import Tags, read_tags
from core.dataset.clip import DatasetError
from core.dataset.labels.genres import genres_in
from core.dataset.labels.source import LabelSource, read_labels
from core.dataset.labels.tree import read_tree
from core.dataset.scan import survey
from core.dataset.settings import LabelSettings, SplitSettings
from core.dataset.split import split, split_table
from tests.support.music import sound, table, tagged


def library(root: Path, cells: list[str]) -> Path:
    """Files 0.wav, 1.wav, ... that need not be decoded, with a genre cell each in ``labels.csv``."""
    root.mkdir(exist_ok=True)
    for number in range(len(cells)):
        (root / f"{number}.wav").write_bytes(b"x")
    table(root / "labels.csv", [{"file": f"{n}.wav", "genre": cell} for n, cell in enumerate(cells)])
    return root


def labels(root: Path, **settings: object) -> LabelSource:
    return read_labels(root, LabelSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "genres"),
    [
        ("Rock", ["Rock"]),
        (" Rock;Pop | Jazz ", ["Rock", "Pop", "Jazz"]),
        ("Folk, World, & Country", ["Folk, World, & Country"]),
        ('["Rock", "Pop"]', ["Rock", "Pop"]),
        ("['Rock']", ["Rock"]),
        ("[21, 4]", ["21", "4"]),
        ("[untitled]", ["[untitled]"]),
        ("", []),
    ],
)
def test_the_genres_of_a_cell(cell: str, genres: list[str]) -> None:
    assert genres_in(cell) == genres


@pytest.mark.parametrize(
    ("multiple", "genres"),
    [
        ("first", ["Rock", "Punk", "Pop", "Pop"]),
        ("frequent", ["Pop", "Punk", "Pop", "Pop"]),
        ("specific", ["Rock", "Punk", "Pop", "Pop"]),
        ("drop", ["Punk", "Pop", "Pop"]),
    ],
)
def test_one_of_several_genres_counts(multiple: str, genres: list[str], tmp_path: Path) -> None:
    source = labels(library(tmp_path, ["Rock; Pop", "Punk", "Pop", "pop"]), multiple=multiple)
    assert source.genres == genres
    assert any("1 of 4 files has several genres" in note and multiple in note for note in source.notes)


def test_a_tree_gives_the_deepest_genre_or_its_root(tmp_path: Path) -> None:
    root = library(tmp_path / "music", ["Rock; Hardcore", "Punk", "Jazz"])
    tree = str(
        table(tmp_path / "tree.csv", [{"child": "Hardcore", "parent": "Punk"}, {"child": "Punk", "parent": "Rock"}])
    )
    assert labels(root, tree=tree, multiple="specific").genres == ["Hardcore", "Punk", "Jazz"]
    assert labels(root, tree=tree, level="top").genres == ["Rock", "Rock", "Jazz"]
    circle = table(tmp_path / "circle.csv", [{"child": "a", "parent": "b"}, {"child": "b", "parent": "a"}])
    assert read_tree(circle).top("a") == "b"


def test_names_are_merged_and_small_genres_left_out(tmp_path: Path) -> None:
    root = library(tmp_path / "music", ["Hip Hop", "hip-hop", "Rap", "ROCK", "Rock", "Rock", "Polka", "Spoken"])
    (tmp_path / "map.csv").write_text("Hip Hop;hiphop\nhip-hop;hiphop\nrap;hiphop\nSpoken;\n")
    source = labels(root, map=str(tmp_path / "map.csv"), min_clips=2)
    assert source.genres == ["hiphop"] * 3 + ["Rock"] * 3
    reasons = {one.path: one.reason for one in source.excluded}
    assert reasons["6.wav"] == "is of a genre with fewer than 2 files (Polka)"
    assert "map.csv leaves out (Spoken)" in reasons["7.wav"]
    assert "Left out, with fewer than 2 files: Polka (1)." in source.notes


def test_folders_that_are_named_like_the_genres_keep_the_table_for_its_columns(tmp_path: Path) -> None:
    for genre in ("rock", "jazz"):
        sound(tmp_path / genre / "a.wav", len(genre))
    table(
        tmp_path / "metadata.csv",
        [{"path": f"{g}/a.wav", "genre": g.title(), "artist": "Ann"} for g in ("rock", "jazz")],
    )
    source = labels(tmp_path)
    assert source.settings.source == "folders"
    assert source.genres == ["jazz", "rock"]
    assert source.files[0].columns["artist"] == "Ann"


def test_a_table_above_the_audio_is_found_and_one_of_something_else_is_not(tmp_path: Path) -> None:
    root = library(tmp_path / "music", ["Rock", "Jazz"])
    (root / "labels.csv").rename(tmp_path / "labels.csv")
    table(root / "prices.csv", [{"name": "bread", "genre": "food"}])
    assert labels(root).description == "labels: labels.csv, column genre; 2 of 2 files matched"


def test_a_folder_per_genre_of_tagged_files_is_one(tmp_path: Path) -> None:
    for number, genre in enumerate(("Rock", "Jazz")):
        tagged(tmp_path / genre / "a.flac", number, genre="Noise", artist="Ann")
    assert labels(tmp_path).genres == ["Jazz", "Rock"]
    assert labels(tmp_path, source="tags").genres == ["Noise", "Noise"]


def info_wav(path: Path, padding: bytes = b"\0", **texts: str) -> Path:
    """A WAV file with a LIST INFO chunk. ``padding`` follows a text of odd length."""
    content = sound(path, 0).read_bytes()
    body = b"INFO"
    for name, text in texts.items():
        data = text.encode() + b"\0"
        body += name.encode() + struct.pack("<I", len(data)) + data + padding * (len(data) % 2)
    chunk = b"LIST" + struct.pack("<I", len(body)) + body
    whole = content[:12] + chunk + content[12:]
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wma"])
def test_the_tags_of_every_format(suffix: str, tmp_path: Path) -> None:
    try:
        path = tagged(tmp_path / f"a{suffix}", 0, genre="Rock", artist="Ann", album="One")
    except (ValueError, RuntimeError):
        pytest.skip("the encoder does not take 8 kHz")
    tags = read_tags(path)
    assert (tags.genres, tags.artist, tags.album) == (["Rock"], "Ann", "One")


def test_numbers_are_resolved_and_info_chunks_are_read(tmp_path: Path) -> None:
    assert read_tags(tagged(tmp_path / "a.flac", 0, genre="(17)")).genres == ["Rock"]
    tags = read_tags(info_wav(tmp_path / "b.wav", IGNR="Jazz", IART="Ann"))
    assert (tags.genres, tags.artist) == (["Jazz"], "Ann")
    assert read_tags(info_wav(tmp_path / "d.wav", b"", IGNR="Jazz", IART="Anna")) == Tags(["Jazz"], "Anna")
    assert read_tags(sound(tmp_path / "c.wav", 0)).genres == []


def test_files_without_a_label_are_named_with_what_to_do(tmp_path: Path) -> None:
    tagged(tmp_path / "Ann" / "a.flac", 0, genre="Rock", artist="Ann")
    tagged(tmp_path / "Ann" / "b.flac", 1, artist="Ann")
    (only,) = labels(tmp_path, source="tags").excluded
    assert "has no genre in its tags: tag it, or name a table of genres with --labels" in only.reason
    sound(tmp_path / "stray.wav", 2)
    (stray,) = labels(tmp_path, source="folders").excluded
    assert (stray.path, "move it into one" in stray.reason) == ("stray.wav", True)


def two_rows(root: Path) -> dict[str, object]:
    rows = [{"file": "0.wav", "genre": "Rock"}, {"file": "0.wav", "genre": "Pop"}, {"file": "1.wav", "genre": "Pop"}]
    return {"source": str(table(root / "labels.csv", rows))}


def test_two_rows_with_different_genres_leave_the_file_out(tmp_path: Path) -> None:
    root = library(tmp_path, ["Rock", "Pop"])
    (left_out,) = labels(root, **two_rows(root)).excluded
    assert left_out.path == "0.wav"
    assert left_out.reason == "has rows with different genres in labels.csv (Rock and Pop): keep one of them"


WRONG: list[tuple[dict[str, str], str]] = [
    ({"source": "{root}/nothing.csv"}, "There is no label file .*nothing.csv: name a table with --labels"),
    (
        {"source": "{root}/labels.csv", "label_column": "gender"},
        "labels.csv has no column 'gender': name one of file, genre with --label-column",
    ),
    (
        {"source": "{root}/labels.csv", "path_column": "where"},
        "labels.csv has no column 'where': name one of file, genre with --path-column",
    ),
    (
        {"label_column": "gender"},
        r"No table in .* has the column 'gender' \(labels.csv has file, genre; bare.csv has file, tempo; "
        r".*other.csv has file, genre\): name one of these columns with --label-column, or another table with --labels",
    ),
    ({"path_column": "where"}, r"No table in .* has the column 'where' \(labels.csv has .*: .* with --path-column"),
    (
        {"source": "{root}/other.csv"},
        "No row of .*other.csv names any of the 2 audio files .* column file holds names such as 'x.mp3', and the "
        "files are called '0.wav'",
    ),
    (
        {"source": "{root}/bare.csv"},
        "bare.csv has no column of genres: name one of file, tempo with --label-column",
    ),
    ({"level": "top"}, "needs a tree of genres.* with --tree"),
    ({"tree": "{root}/labels.csv"}, "needs the columns child and parent"),
    ({"map": "{root}/map.csv"}, "Line 1 of .*map.csv should hold two names"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG)
def test_a_wrong_input_is_one_sentence_with_the_next_step(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    root = library(tmp_path, ["Rock", "Pop"])
    table(root / "other.csv", [{"file": "x.mp3", "genre": "Rock"}])
    table(root / "bare.csv", [{"file": "0.wav", "tempo": "1"}])
    (root / "map.csv").write_text("a,b,c\n")
    given = {name: value.format(root=root) for name, value in settings.items()}
    with pytest.raises(DatasetError) as refused:
        labels(root, **given)
    assert re.search(said, str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


def test_a_missing_column_is_reported_with_the_table_and_its_columns(tmp_path: Path) -> None:
    root = library(tmp_path, ["Rock", "Pop"])
    said = r"labels.csv has no column 'gender': name one of file, genre with --label-column\.$"
    with pytest.raises(DatasetError, match=said):
        labels(root, label_column="gender")
    (root / "labels.csv").unlink()
    with pytest.raises(DatasetError, match=r"holds no table with the column 'gender': name the table with --labels\.$"):
        labels(root, label_column="gender")
    table(root / "labels.csv", [{"file": "x.mp3", "gender": "Rock"}])
    with pytest.raises(DatasetError, match=r"labels.csv is not used: No row of .* names any of the 2 audio files"):
        labels(root, label_column="gender")
    wide = [{"file": "0.wav", "genre": "Rock"} | {f"mfcc{n}": "0" for n in range(60)}]
    table(root / "labels.csv", wide)
    with pytest.raises(DatasetError, match=r"name one of file, genre, mfcc0, .* and 42 more with --label-column\.$"):
        labels(root, label_column="gender")


def test_a_column_of_any_name_is_found_when_it_is_named(tmp_path: Path) -> None:
    root = library(tmp_path, ["Rock", "Pop"])
    table(root / "moods.csv", [{"file": "0.wav", "mood": "calm"}, {"file": "1.wav", "mood": "tense"}])
    assert labels(root, label_column="mood").genres == ["calm", "tense"]
    table(root / "moods.csv", [{"sound": "0.wav", "mood": "calm"}, {"sound": "1.wav", "mood": "tense"}])
    with pytest.raises(DatasetError, match="needs a column with the names of the files"):
        labels(root, label_column="mood")
    assert labels(root, label_column="mood", path_column="sound").genres == ["calm", "tense"]


def test_an_edited_split_table_is_taken_by_its_paths(tmp_path: Path) -> None:
    for number in range(6):
        sound(tmp_path / "music" / ("rock", "jazz")[number % 2] / "Ann" / f"Album {number}" / "01.wav", number)
    found = survey(tmp_path / "music")
    divided = split(found.clips, SplitSettings(fractions=(0.4, 0.3, 0.3)))
    (tmp_path / "split.csv").write_bytes(split_table(found.root, found.clips, divided))
    again = split(found.clips, SplitSettings(protocol="column", column=f"{tmp_path}/split.csv:split"))
    assert again == divided


def test_nothing_is_labelled(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", 0)
    with pytest.raises(DatasetError, match=r"None of the 1 audio files .* has a genre .*--labels"):
        survey(tmp_path)
