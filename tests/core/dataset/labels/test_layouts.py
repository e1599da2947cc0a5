"""Label sources: music as people and researchers have it is found, labelled and said, from folder to first epoch."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.features.settings import FrontEndSettings
from core.runs.journal import events as ev
from tests.support import trainer_runs
from tests.support.music import sound, table, tagged

FRONT_END = FrontEndSettings(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, seconds=0.6)
PER_GENRE = 3


GENRES = [genre for genre in ("rock", "jazz") for _ in range(PER_GENRE)]
"""The genre of each of six clips."""


def nested_folders(root: Path) -> None:
    for number, genre in enumerate(GENRES):
        sound(root / genre / f"Artist {number}" / "Album" / "01 Track.wav", number)


def table_beside(root: Path) -> None:
    rows = [{"filename": f"{number}.wav", "class": genre} for number, genre in enumerate(GENRES)]
    table(root / "annotations.csv", rows, ";")
    for number in range(len(GENRES)):
        sound(root / "audio" / f"{number}.wav", number)


def json_lines(root: Path) -> None:
    """A Hugging Face folder without splits."""
    rows = [{"file_name": f"{number}.wav", "genre": genre} for number, genre in enumerate(GENRES)]
    root.mkdir()
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for number in range(len(GENRES)):
        sound(root / f"{number}.wav", number)


def hugging_face_parts(root: Path) -> None:
    for at, part in enumerate(("train", "validation", "test")):
        table(root / part / "metadata.csv", [{"file_name": f"{g}.wav", "label": g} for g in ("rock", "jazz")])
        for number, genre in enumerate(("rock", "jazz")):
            sound(root / part / f"{genre}.wav", 2 * at + number)


def parquet(root: Path) -> None:
    pyarrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root.mkdir()
    rows = [{"path": f"{number}.wav", "genre": genre} for number, genre in enumerate(GENRES)]
    files.write_table(pyarrow.Table.from_pylist(rows), root / "train.parquet")
    for number in range(len(GENRES)):
        sound(root / f"{number}.wav", number)


def library_with_tags(root: Path) -> None:
    for number, genre in enumerate(GENRES):
        artist = f"Band {number % PER_GENRE}"
        name = root / artist / f"Album {number}" / "01.flac"
        tagged(name, number, genre="17" if genre == "rock" else "Jazz", artist=artist, album=f"Album {number}")


def gtzan_on_kaggle(root: Path) -> None:
    names = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
    for at, genre in enumerate(names):
        for number in range(PER_GENRE):
            sound(root / "Data" / "genres_original" / genre / f"{genre}.{number:05}.wav", 10 * number + at)
    (root / "Data" / "genres_original" / "jazz" / "jazz.00054.wav").write_bytes(b"damaged" * 99)
    (root / "Data" / "images_original" / "blues").mkdir(parents=True)
    table(root / "Data" / "features_30_sec.csv", [{"filename": "blues.00000.wav", "tempo": "1", "label": "blues"}])


FMA_HEADER = [
    ["", "track", "track", "set", "set", "artist"],
    ["", "genre_top", "genres", "split", "subset", "id"],
    ["track_id", "", "", "", "", ""],
]


def fma(root: Path) -> None:
    parts = ("training", "validation", "test")
    rows = [
        [str(2 + n), g.title(), "[21, 12]" if g == "rock" else "[4]", parts[n % 3], "small", str(n)]
        for n, g in enumerate(GENRES)
    ]
    (root / "fma_metadata").mkdir(parents=True)
    with (root / "fma_metadata" / "tracks.csv").open("w", newline="") as file:
        csv.writer(file).writerows(FMA_HEADER + rows)
    tree = "genre_id,#tracks,parent,title,top_level\n12,9,0,Rock,12\n21,9,12,Punk,12\n4,9,0,Jazz,4\n"
    (root / "fma_metadata" / "genres.csv").write_text(tree)
    for number in range(len(GENRES)):
        sound(root / "fma_small" / "000" / f"{2 + number:06}.mp3", number)
    (root / "fma_small" / "000" / "000099.mp3").write_bytes(b"no row")


def jamendo(root: Path) -> None:
    lines = ["TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"]
    for n, g in enumerate(GENRES):
        lines.append(f"track_{n}\tartist_{n}\talbum_{n}\t{n:02}/{n}.mp3\t9.9\tgenre---{g}\tgenre---pop")
        sound(root / f"{n:02}" / f"{n}.low.mp3", n)
    (root / "autotagging_genre.tsv").write_text("\n".join(lines))


def ismir04(root: Path) -> None:
    for at, part in enumerate(("training", "development", "evaluation")):
        lines = []
        for number, genre in enumerate(("rock_pop", "jazz_blues")):
            name = f"artist_{number}/album/{genre}.mp3" if part == "training" else f"{genre}.mp3"
            sound(root / "audio" / part / name, 2 * at + number)
            lines.append(f"'{genre}','artist_{number}','album','{genre}','1','./{name}'")
        (root / "metadata" / part).mkdir(parents=True)
        (root / "metadata" / part / "tracklist.csv").write_text("\n".join(lines))


def ballroom(root: Path) -> None:
    dances = ("ChaChaCha", "Jive", "Quickstep", "Rumba-American", "Samba", "Tango", "VienneseWaltz", "Waltz")
    for at, dance in enumerate(dances):
        for number in range(PER_GENRE):
            sound(root / "BallroomData" / dance / f"Media-10{at}{number}.wav", 10 * number + at)
    (root / "BallroomData" / "allBallroomFiles").write_text("./ChaChaCha/Media-1000.wav\n")


def million_song(root: Path) -> None:
    lines = ["# tagtraum genre annotations"]
    for number, genre in enumerate(GENRES):
        track = f"TRAAAA{chr(65 + number)}128F429D538"
        lines.append(f"{track}\t{genre.title()}" + ("\tPop" if number == 0 else ""))
        sound(root / "A" / "A" / f"{track}.mp3", number)
    (root / "msd_tagtraum_cd2c.cls").write_text("\n".join(lines))


def archive(root: Path) -> None:
    """Not a folder, but a file in its place."""
    nested_folders(root.parent / "unpacked")
    shutil.make_archive(str(root), "gztar", root.parent / "unpacked")
    shutil.rmtree(root.parent / "unpacked")


LAYOUTS: dict[Callable[[Path], None], tuple[str, set[str]]] = {
    nested_folders: ("labels: a folder per genre; 6 files of 2 genres", {"rock", "jazz"}),
    table_beside: ("labels: annotations.csv, column class; 6 of 6 files matched", {"rock", "jazz"}),
    json_lines: ("labels: metadata.jsonl, column genre; 6 of 6 files matched", {"rock", "jazz"}),
    hugging_face_parts: ("labels: the tables of data's parts, column label; 6 of 6 files matched", {"rock", "jazz"}),
    parquet: ("labels: train.parquet, column genre; 6 of 6 files matched", {"rock", "jazz"}),
    library_with_tags: ("labels: the files' tags; 6 of 6 files have a genre", {"Rock", "Jazz"}),
    gtzan_on_kaggle: (
        "labels: GTZAN, a folder per genre; 31 files of 10 genres",
        {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"},
    ),
    fma: ("labels: tracks.csv, column genre_top; 6 of 7 files matched", {"Rock", "Jazz"}),
    jamendo: ("labels: autotagging_genre.tsv, column genre; 6 of 6 files matched", {"rock", "jazz"}),
    ismir04: (
        "labels: tracklist.csv of training, development, evaluation, column genre; 6 of 6 files matched",
        {"rock_pop", "jazz_blues"},
    ),
    ballroom: (
        "labels: Ballroom, a folder per dance; 24 files of 8 genres",
        {"ChaChaCha", "Jive", "Quickstep", "Rumba-American", "Samba", "Tango", "VienneseWaltz", "Waltz"},
    ),
    archive: ("labels: a folder per genre; 6 files of 2 genres", {"rock", "jazz"}),
    million_song: ("labels: msd_tagtraum_cd2c.cls, column genre; 6 of 6 files matched", {"Rock", "Jazz"}),
}


@pytest.mark.parametrize("make", LAYOUTS)
def test_a_layout_is_found_and_trained_on(make: Callable[[Path], None], tmp_path: Path) -> None:
    description, genres = LAYOUTS[make]
    make(tmp_path / "data")
    data = tmp_path / ("data.tar.gz" if make is archive else "data")
    found = scan(data, seconds=0.6)
    assert found.label_source == description
    assert set(found.genres) == genres
    assert len({(clip.genre, clip.name) for clip in found.clips}) == len(found.clips)
    again = scan(data, labels=found.labels, seconds=0.6)
    assert [(clip.path, clip.genre) for clip in again.clips] == [(clip.path, clip.genre) for clip in found.clips]
    assert again.labels == found.labels
    split = SplitSettings(protocol="column") if found.has_split else SplitSettings(fractions=(0.4, 0.3, 0.3))
    run = trainer_runs.new_run(
        tmp_path / "runs",
        data,
        epochs=1,
        front_end=FRONT_END,
        crop_seconds=None,
        labels=found.labels,
        split=split,
    )
    assert isinstance(trainer_runs.train(run), ev.RunFinished), run.training_log_path.read_text()
    (scanned,) = trainer_runs.of_kind(run, ev.DatasetScanned)
    assert (scanned.labels, set(scanned.genres)) == (description, genres)
    assert all(scanned.parts.values())
    assert len(trainer_runs.of_kind(run, ev.EpochFinished)) == 1
