"""Metadata tables: any usual encoding and delimiter; rows find their files by path, then by a unique name."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dataset.clip import DatasetError
from core.dataset.load import load_dataset
from core.dataset.matching import Matching, match
from core.dataset.metadata import read_table
from core.dataset.report import check
from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.features.settings import FrontEndSettings
from tests.support.folders import genre_folder

ROWS = [{"path": "blues/a.wav", "artist": "Björk, Ö"}, {"path": "jazz/b.wav", "artist": "Motörhead"}]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def matched(folder: Path, text: str, files: list[str]) -> Matching:
    return match(read_table(written(folder / "index.csv", text)), files)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_in_every_encoding_and_delimiter(
    encoding: str, delimiter: str, end: str, tmp_path: Path
) -> None:
    lines = [delimiter.join(["path", "artist"])] + [f'{r["path"]}{delimiter}"{r["artist"]}"' for r in ROWS]
    table = read_table(written(tmp_path / "x.csv", end.join(lines) + end, encoding))
    assert (table.columns, table.rows) == (["path", "artist"], ROWS)


def test_json_lines_and_an_announced_delimiter_are_read(tmp_path: Path) -> None:
    lines = [json.dumps({"track": 7, "genre": "Rock", "tags": ["a"]}), "", json.dumps({"track": " x ", "live": True})]
    table = read_table(written(tmp_path / "x.jsonl", "\n".join(lines)))
    assert table.rows[0] == {"track": "7", "genre": "Rock", "tags": '["a"]', "live": ""}
    assert table.rows[1] == {"track": "x", "genre": "", "tags": "", "live": "true"}
    assert (table.file_columns, table.label_columns) == (["track"], ["genre", "tags"])
    assert read_table(written(tmp_path / "x.csv", "sep=;\nFile; Label\na.wav;b\n")).label_columns == ["Label"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "needs a column with the names of the files"),
        (b"artist\nAnn\n", "needs a column with the names of the files"),
        (b"path,artist\na,b,c\n", "line 2 has 3 fields, and the header has 2"),
        (b'{"path": "a"}\n{"path"', "line 2 is not a JSON object"),
        (b"path\0,a\0\0\0\0", "cannot be read"),
        (b"\xff\xfea", "cannot be read"),
    ],
)
def test_what_is_not_a_table_is_refused_in_one_sentence(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=sentence) as refused:
        read_table(tmp_path / "x.csv")
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_table_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(b"path,x\n" + data)
    try:
        match(read_table(path), ["a/b.wav"])
    except DatasetError as error:
        assert "\n" not in str(error)


FILES = ["blues/001.wav", "jazz/001.wav", "jazz/002.mp3", "rock/Café.flac", "rock/3.wav"]


@pytest.mark.parametrize(
    ("reference", "file"),
    [
        ("blues/001.wav", "blues/001.wav"),
        ("/data/gtzan/jazz/001.wav", "jazz/001.wav"),
        ("C:\\music\\jazz\\001.WAV", "jazz/001.wav"),
        ("  blues / 001.wav ", "blues/001.wav"),
        ("./blues//001", "blues/001.wav"),
        ("002", "jazz/002.mp3"),
        ("002.wav", "jazz/002.mp3"),
        ("2", "jazz/002.mp3"),
        ("blues/1.wav", "blues/001.wav"),
        ("0003", "rock/3.wav"),
        ("rock/Cafe\u0301.FLAC", "rock/Café.flac"),
        ("Cafe\u0301", "rock/Café.flac"),
        ("elsewhere/002.mp3", "jazz/002.mp3"),
    ],
)
def test_a_row_finds_its_file(reference: str, file: str, tmp_path: Path) -> None:
    found = matched(tmp_path, f"path,x\n{reference},here\n", FILES)
    assert [name for name, row in zip(FILES, found.rows, strict=True) if row] == [file]


@pytest.mark.parametrize(
    ("rows", "unmatched", "ambiguous", "duplicates"),
    [
        (["001"], [], ["001"], []),
        (["1.wav"], [], ["1.wav"], []),
        (["nowhere"], ["nowhere"], [], []),
        (["rock/001.wav"], ["rock/001.wav"], [], []),  # the folder is there, so the file of another one is not meant
        (["002", "jazz/002.mp3"], [], [], ["jazz/002.mp3"]),
        ([""], [], [], []),
    ],
)
def test_rows_that_fit_no_file_or_several_are_counted(
    rows: list[str], unmatched: list[str], ambiguous: list[str], duplicates: list[str], tmp_path: Path
) -> None:
    found = matched(tmp_path, "path\n" + "\n".join(["blues/001.wav", *rows]) + "\n", FILES)
    assert (found.unmatched, found.ambiguous, found.duplicates) == (unmatched, ambiguous, duplicates)
    told = " ".join(found.notes)
    assert all(text in told for text in unmatched + ambiguous + duplicates)


def test_a_more_exact_row_counts_and_the_genre_tells_equal_names_apart(tmp_path: Path) -> None:
    found = matched(tmp_path, "path,x\n002,vague\njazz/002.mp3,exact\n", FILES)
    assert found.rows[2]["x"] == "exact"
    found = matched(tmp_path, "name,genre,x\n001,jazz,second\n001,blues,first\n", FILES)
    assert [row.get("x") for row in found.rows[:2]] == ["first", "second"]
    assert not found.ambiguous


def test_equal_names_in_two_genres_share_no_row(tmp_path: Path) -> None:
    root = genre_folder(tmp_path / "data", {"a": 3, "b": 3})
    for genre in "ab":
        (root / genre / f"{genre}.00000.au").rename(root / genre / "001.au")
    (root / "index.csv").write_text("name,artist\n001,Ann\na.00001,Bob\nlost,Cy\n")
    found = scan(root)
    assert [clip.columns.get("artist") for clip in found.clips] == [None, "Bob", None, None, None, None]
    assert found.notes == [
        "1 row of index.csv matches no clip: lost.",
        "1 row of index.csv fits several clips and is not used: 001.",
        "5 of 6 clips have no row in index.csv.",
    ]
    report = check(root)
    assert not report.is_clean
    assert found.notes[0] in report.as_text()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (SplitSettings(protocol="column"), "covers 12 of 20 clips; the others are left out"),
        (SplitSettings(protocol="grouped", groups="artist", folds=2), "covers 12 of 20 clips; each of the others is a"),
    ],
)
def test_a_column_that_covers_a_part_is_said(settings: SplitSettings, sentence: str, tmp_path: Path) -> None:
    root = genre_folder(tmp_path / "data", {"a": 10, "b": 10})
    rows = [
        f"{g}/{g}.{n:05d}.au,{'train' if n < 4 else 'valid' if n < 5 else 'test'},{n}" for g in "ab" for n in range(6)
    ]
    (root / "index.csv").write_text("path,split,artist\n" + "\n".join(rows))
    notes: list[str] = []
    load_dataset(root, FrontEndSettings(n_mels=8, seconds=1.0), settings, on_note=notes.append)
    assert any(sentence in note for note in notes)
