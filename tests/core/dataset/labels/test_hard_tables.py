"""Tables and names as programs and people leave them: each file finds its row, or one sentence says why not."""

import json
import os
import unicodedata
from pathlib import Path

import pytest

from core.dataset.clip import DatasetError
from core.dataset.labels.source import LabelSource, read_labels
from core.dataset.labels.tree import read_tree
from core.dataset.scan import scan, survey
from core.dataset.settings import LabelSettings
from core.inference.batch.find_files import find_files
from core.inference.types import Unreadable
from tests.support.music import sound, table

NAMES = [f"{number:03}.wav" for number in range(4)]
WORDS = ("Chanson française", "Müsik")


def music(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    for name in NAMES:
        (root / name).write_bytes(b"x")
    return root


def written(names: list[str], end: str = "\n", quote: str = "", separator: str = ",") -> str:
    rows = [("file", "genre"), *((name, WORDS[number % 2]) for number, name in enumerate(names))]
    return "".join(separator.join(f"{quote}{cell}{quote}" for cell in row) + end for row in rows)


def labels(root: Path, **settings: object) -> LabelSource:
    return read_labels(root, LabelSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_every_usual_encoding(encoding: str, tmp_path: Path) -> None:
    (music(tmp_path) / "labels.csv").write_bytes(written(NAMES).encode(encoding))
    assert labels(tmp_path).genres == [*WORDS, *WORDS]


@pytest.mark.parametrize(
    "text",
    [
        written(NAMES, "\r\n", '"'),
        written(NAMES, "\r"),
        written(NAMES, separator="\t"),
        written(NAMES, separator=";"),
        "sep=;\r\n" + written(NAMES, "\r\n", separator=";"),
        written([f"C:\\Users\\me\\My Music\\{name}" for name in NAMES]),
        written([f".\\{name}" for name in NAMES]),
        written([f"file:///home/me/{name}" for name in NAMES]),
        written([name.upper() for name in NAMES]),
        written([name.replace(".wav", ".mp3") for name in NAMES]),
        written([str(int(name[:3])) for name in NAMES]),
        written([f"{int(name[:3])}.0" for name in NAMES]),
        written([f" {name} " for name in NAMES]),
    ],
)
def test_every_usual_way_to_write_a_table(text: str, tmp_path: Path) -> None:
    (music(tmp_path) / "labels.csv").write_text(text, newline="")
    assert labels(tmp_path).genres == [*WORDS, *WORDS]


def test_a_json_array_that_is_named(tmp_path: Path) -> None:
    (music(tmp_path) / "labels.json").write_text('[{"file": "000.wav", "genre": "a"}, {"file": "1", "genre": ["b"]}]')
    assert labels(tmp_path, source=str(tmp_path / "labels.json")).genres == ["a", "b"]


def test_names_that_differ_in_case_or_in_unicode(tmp_path: Path) -> None:
    for name in ("Song.wav", "song.wav", "x.wav", f"{unicodedata.normalize('NFD', 'é')}.wav"):
        (tmp_path / name).write_bytes(b"x")
    rows = {"Song.wav": "a", "song.wav": "b", "X.WAV": "c", "é.wav": "d", "SONG.wav": "e"}
    table(tmp_path / "labels.csv", [{"file": name, "genre": genre} for name, genre in rows.items()])
    found = labels(tmp_path)
    genre_of = {
        unicodedata.normalize("NFC", file.name): genre for file, genre in zip(found.files, found.genres, strict=True)
    }
    assert genre_of == {"Song.wav": "a", "song.wav": "b", "x.wav": "c", "é.wav": "d"}
    assert any("SONG.wav" in note for note in found.notes)


def test_folders_of_one_name_in_two_unicode_forms_are_one_genre(tmp_path: Path) -> None:
    for number, form in enumerate(("NFC", "NFD")):
        sound(tmp_path / unicodedata.normalize(form, "Variété") / f"{number}.wav", number)  # type: ignore[arg-type]
    sound(tmp_path / "Rock" / "2.wav", 2)
    assert scan(tmp_path, seconds=0.6).genres == ["Rock", "Variété"]


def test_genres_that_are_not_names(tmp_path: Path) -> None:
    for number in range(6):
        sound(tmp_path / f"{number}.wav", number)
    cells = ["Hip-Hop/Rap", "AC\x1b[31mDC", "../x", "/etc", "", "  "]
    table(tmp_path / "labels.csv", [{"file": f"{n}.wav", "genre": cell} for n, cell in enumerate(cells)])
    found = survey(tmp_path, seconds=0.6)
    assert found.genres == ["AC\\x1b[31mDC", "Hip-Hop/Rap"]
    assert [one.reason for one in found.excluded] == [
        "has a genre that is a path out of its folder",
        "has a genre that is a path out of its folder",
        "has no genre in its label source",
        "has no genre in its label source",
    ]


@pytest.mark.parametrize("where", ["map", "tree"])
@pytest.mark.parametrize("name", ["missing", "jazz", "loop", "/dev/zero", "binary"])
def test_a_table_that_cannot_be_read_is_a_sentence(name: str, where: str, tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "a.wav", 1)
    sound(tmp_path / "jazz" / "b.wav", 2)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DatasetError, match=r"cannot be read: .*\w\.$") as raised:
        survey(tmp_path, seconds=0.6, labels=LabelSettings(**{where: str(tmp_path / name)}))  # type: ignore[arg-type]
    assert "Errno" not in str(raised.value)
    assert str(raised.value).count(name) == 1


def test_the_columns_of_a_tree_are_named_safely_and_not_all(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_text(",".join(["x\x1b[31m", *(f"column {n}" for n in range(1000))]))
    with pytest.raises(DatasetError, match=r"it has x\\x1b\[31m, column 0, .* and 981 more\.$"):
        read_tree(tmp_path / "tree.csv")


@pytest.mark.parametrize("name", ["tracks.csv", "autotagging_genre.tsv", "train_filtered.txt", "list.cls"])
def test_a_pipe_beside_the_audio_is_not_waited_for(name: str, tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "a.wav", 1)
    sound(tmp_path / "jazz" / "b.wav", 2)
    os.mkfifo(tmp_path / name)
    assert survey(tmp_path, seconds=0.6).genres == ["jazz", "rock"]


def test_links_pipes_and_folders_among_the_files(tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "a.wav", 1)
    sound(tmp_path / "jazz" / "b.wav", 2)
    (tmp_path / "rock" / "again").symlink_to(tmp_path)
    (tmp_path / "rock" / "gone.wav").symlink_to("nowhere")
    os.mkfifo(tmp_path / "jazz" / "pipe.wav")
    (tmp_path / "jazz" / "folder.wav").mkdir()
    found = scan(tmp_path, seconds=0.6)
    assert [clip.name for clip in found.clips] == ["b", "a"]
    assert {one.path: one.reason for one in found.excluded} == {
        "rock/again": "is a link to a folder above it",
        "rock/gone.wav": "cannot be read (no such file or directory)",
        "jazz/pipe.wav": "is not a regular file",
        "jazz/folder.wav": "is a folder, not an audio file",
    }


def test_folders_without_end(tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "a.wav", 1)
    sound(tmp_path / "jazz" / "b.wav", 2)
    sound(tmp_path / "jazz" / "/".join("x" * 120) / "c.wav", 3)
    found = scan(tmp_path, seconds=0.6)
    assert len(found.clips) == 2
    (left_out,) = found.excluded
    assert left_out.reason == "is more than 100 folders deep"
    (deep,) = [one for one in find_files([tmp_path]) if isinstance(one, Unreadable)]
    assert deep.error == "is more than 100 folders deep"


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    rows = "\n".join(f"{number:06}.mp3,{WORDS[number % 2]}" for number in range(100_000))
    (music(tmp_path) / "labels.csv").write_text(f"file,genre\n{rows}\n000.wav,here\n")
    found = labels(tmp_path)
    assert found.genres == ["here", WORDS[1], WORDS[0], WORDS[1]]
    assert "99,996 rows of labels.csv match no clip" in found.notes[0]


WRONG = [
    (b"", r"needs a column .*; it is empty\."),
    (b"000.wav,a\n001.wav,b\n", r"its first line has 000.wav, a: name one of these with --path-column"),
    (b"PK\3\4" + bytes(range(256)), r"it is a spreadsheet or an archive, not text: save it as CSV"),
    (b"\xff\xfe\x00\xd8\x00\x00", r"cannot be read: it is not text"),
    (b"file,genre\n000.wav,a,b,c\n", r"line 2 has 4 fields, and the header has 2"),
    (b'file,genre\n"000.wav,a\n001.wav,b\n', r"its column file holds names such as '000.wav,a"),
    (b'{"file": "000.wav"}\n{"file"\n', r"line 2 is not a JSON object"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_what_is_not_a_table_is_refused_in_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = music(tmp_path) / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=said) as refused:
        labels(tmp_path, source=str(path))
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_one_genre_names_the_source_and_what_to_do(tmp_path: Path) -> None:
    for number in range(3):
        sound(tmp_path / f"{number}.wav", number)
    table(tmp_path / "labels.csv", [{"file": f"{n}.wav", "class": "rock", "artist": "x"} for n in range(3)])
    said = r"only one genre .* rock: .* --label-column \(now labels: labels.csv, column class; 3 of 3"
    with pytest.raises(DatasetError, match=said):
        scan(tmp_path, seconds=0.6)


def test_the_label_file_of_another_collection(tmp_path: Path) -> None:
    (tmp_path / "fma").mkdir()
    lines = [",track,set", ",genre_top,split", "track_id,,", "200,Rock,training", "300,Jazz,test"]
    (tmp_path / "fma" / "tracks.csv").write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"No row of .*tracks.csv names any of the 4 .* another table with --labels"):
        labels(music(tmp_path / "music"), source=str(tmp_path / "fma" / "tracks.csv"))


def test_a_table_beside_the_audio_that_fits_no_file_is_named(tmp_path: Path) -> None:
    sound(tmp_path / "rock" / "a.wav", 1)
    sound(tmp_path / "jazz" / "b.wav", 2)
    table(tmp_path / "labels.csv", [{"file": "x.wav", "genre": "y"}])
    (note,) = scan(tmp_path, seconds=0.6).notes
    assert note.startswith("labels.csv is not used: No row of ")


def placed(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        sound(root / name, number)
    return root


def test_a_folder_that_is_not_there_names_no_file_of_two(tmp_path: Path) -> None:
    root = placed(tmp_path / "music", "rock/1.wav", "jazz/1.wav", "jazz/2.wav")
    path = table(tmp_path / "x.csv", [{"path": "nope/1.wav", "genre": "rock"}, {"path": "no/2.wav", "genre": "jazz"}])
    found = labels(root, source=str(path))
    assert [(file.name, file.genres) for file in found.files] == [("jazz/2.wav", ["jazz"])]
    assert found.notes == [
        "1 row of x.csv fits several clips and is not used: nope/1.wav.",
        "1 row of x.csv names a folder that is not there and was matched by file name only: no/2.wav.",
    ]
    assert found.matching is not None
    assert (found.matching.matched_files, found.matching.matched_by_name_only, found.matching.ambiguous_rows) == (
        1,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("files", "rows"),
    [
        (["rock/1.wav", "jazz/1.wav"], ["nope/1.wav", "nope/1.wav"]),
        (["rock/1.wav", "jazz/1.wav"], ["nope/1", "gone/01.wav"]),
        (["rock/1.wav"], ["nope/1.wav", "gone/1.wav"]),  # one file, and two rows that mean different ones
        (["1.wav"], ["rock/1.wav", "jazz/1.wav"]),
        (["B/CD1/01.wav"], ["A/CD1/01.wav", "C/CD1/01.wav"]),
        (["000/000002.wav", "001/2.wav"], ["155/2", "155/02"]),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_that_fit_by_name_alone_are_ambiguous(
    kind: str, files: list[str], rows: list[str], tmp_path: Path
) -> None:
    root = placed(tmp_path / "music", *files)
    records = [{"path": row, "genre": genre} for row, genre in zip(rows, ("rock", "jazz"), strict=True)]
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        table(path, records)
    else:
        path.write_text("\n".join(map(json.dumps, records)))
    said = r"rows of .* are ambiguous: 2 of 2, such as .*below that folder"
    with pytest.raises(DatasetError, match=said) as refused:
        labels(root, source=str(path))
    assert "\n" not in str(refused.value)


def test_a_row_of_another_disc_is_not_this_one(tmp_path: Path) -> None:
    root = placed(tmp_path / "music", "A/CD1/01.wav", "B/CD1/01.wav", "B/CD2/01.wav")
    rows = {"A/CD1/01.wav": "a", "/old/disk/B/CD1/01.wav": "b", "A/CD2/01.wav": "wrong", "b/cd2/01.WAV": "c"}
    path = table(tmp_path / "x.csv", [{"path": name, "genre": genre} for name, genre in rows.items()])
    found = labels(root, source=str(path))
    assert found.genres == ["a", "b", "c"]
    assert found.notes == ["1 row of x.csv matches no clip: A/CD2/01.wav."]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "file,genre,genre\n000.wav,a,b\n001.wav,b,b\n", "several columns called 'genre', which differ"),
        ("x.csv", "file,genre,file\n000.wav,a,002.wav\n001.wav,b,\n", "several columns called 'file', which differ"),
        ("x.jsonl", '{"file": "000.wav", "genre": "a", "genre": "b"}\n', "line 1 has the key 'genre' twice"),
    ],
)
def test_two_columns_of_one_name_are_refused_where_they_differ(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = music(tmp_path / "music").parent / name
    path.write_text(text)
    with pytest.raises(DatasetError, match=said):
        labels(tmp_path / "music", source=str(path))


def test_other_columns_of_one_name_are_said_and_equal_ones_are_one(tmp_path: Path) -> None:
    path = music(tmp_path / "music").parent / "x.csv"
    path.write_text("file,genre,genre,artist,artist\n" + "".join(f"{n},a,a,Ann,Bob\n" for n in NAMES))
    found = labels(tmp_path / "music", source=str(path))
    assert found.files[0].columns["artist"] == "Ann"
    assert found.notes == ["x.csv has several columns called artist, which differ: the first of them counts."]


def test_split_lists_beside_the_folders_name_files_by_path_or_unique_name(tmp_path: Path) -> None:
    root = placed(tmp_path, "rock/1.wav", "rock/2.wav", "jazz/1.wav", "jazz/3.wav")
    (root / "train.txt").write_text("genres/rock/1.mp3\n2\n")
    (root / "test_filtered.txt").write_text("jazz/1.wav\nnope/1.wav\n3.wav\n")
    parts = {file.name: file.columns["split"] for file in labels(root).files}
    assert parts == {"jazz/1.wav": "test", "jazz/3.wav": "test", "rock/1.wav": "train", "rock/2.wav": "train"}
