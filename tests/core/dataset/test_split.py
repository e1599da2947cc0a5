"""Splitting: every clip once, every genre everywhere, no recording and no group on two sides."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dataset.clip import Clip, DatasetError
from core.dataset.metadata import read_table
from core.dataset.report import check
from core.dataset.scan import Scan, scan
from core.dataset.settings import LabelSettings, SplitSettings
from core.dataset.split import Split, default_split, sharing_artist, split
from tests.support.music import sound, table
from tests.support.paths import GTZAN_LOGMEL


def clip(genre: str, number: int, content: str | None = None, **columns: str) -> Clip:
    name = f"{genre}.{number:05d}"
    return Clip(Path(name), genre, name, content or name, 22_050, 1, "au", 30.0, columns)


def clips(counts: dict[str, int]) -> list[Clip]:
    return [clip(genre, number) for genre, count in counts.items() for number in range(count)]


def sides(of: list[Clip], divided: Split, key: str) -> dict[str, set[str]]:
    """Value of a column, or of ``content`` → the parts in which it stands."""
    found: dict[str, set[str]] = {}
    for part, indices in divided.parts().items():
        for i in indices:
            value = of[i].content if key == "content" else of[i].columns.get(key, "")
            if value:
                found.setdefault(value, set()).add(part)
    return found


def test_a_thousand_clips_are_divided_eighty_ten_ten() -> None:
    collection = clips({f"genre {k}": 100 for k in range(10)})
    divided = split(collection, SplitSettings())
    for part, count in (("train", 80), ("valid", 10), ("test", 10)):
        assert set(Counter(collection[i].genre for i in divided.parts()[part]).values()) == {count}
    assert sorted(divided.train + divided.valid + divided.test) == list(range(1000))


def test_the_seed_decides() -> None:
    collection = clips({"a": 50, "b": 50})
    first = split(collection, SplitSettings(seed=1))
    assert split(collection, SplitSettings(seed=1)) == first
    assert split(collection, SplitSettings(seed=2)) != first


@given(st.lists(st.integers(3, 30), min_size=2, max_size=5), st.integers(0, 99), st.data())
def test_any_collection_keeps_copies_together_and_genres_everywhere(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    collection = clips({f"g{k}": count for k, count in enumerate(counts)})
    copied = data.draw(st.sets(st.integers(0, len(collection) - 1), max_size=len(collection) // 8))
    collection += [clip(collection[i].genre, 1000 + i, content=collection[i].content) for i in sorted(copied)]
    divided = split(collection, SplitSettings(seed=seed))
    assert sorted(divided.train + divided.valid + divided.test) == list(range(len(collection)))
    assert all(len(parts) == 1 for parts in sides(collection, divided, "content").values())
    assert {collection[i].genre for i in divided.train} == {f"g{k}" for k in range(len(counts))}
    if not copied:
        for part in divided.parts().values():
            assert {collection[i].genre for i in part} == {f"g{k}" for k in range(len(counts))}


def test_copies_that_only_the_index_knows_stay_together() -> None:
    collection = [clip("a", n, exact_duplicate_group=f"pair {n // 2}") for n in range(40)] + clips({"b": 40})
    for seed in range(20):
        divided = split(collection, SplitSettings(seed=seed))
        assert all(len(parts) == 1 for parts in sides(collection, divided, "exact_duplicate_group").values())


def test_copies_are_chained_through_content_and_index() -> None:
    """1 and 2 are equal files; 2 and 3 are one recording to the index."""
    collection = clips({"a": 20, "b": 20})
    collection[1] = clip("a", 1, content="same")
    collection[2] = clip("a", 2, content="same", exact_duplicate_group="r")
    collection[3] = clip("a", 3, exact_duplicate_group="r")
    for seed in range(20):
        divided = split(collection, SplitSettings(seed=seed))
        assert sum({1, 2, 3} <= set(part) for part in divided.parts().values()) == 1


def test_a_part_can_be_left_out() -> None:
    divided = split(clips({"a": 10, "b": 2}), SplitSettings(fractions=(0.8, 0.2, 0.0)))
    assert (len(divided.train), len(divided.valid), divided.test) == (9, 3, [])


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_clips_are_named(count: int) -> None:
    with pytest.raises(DatasetError, match=f"The genre small has {count} usable clip"):
        split(clips({"large": 50, "small": count}), SplitSettings())


def test_copies_do_not_count_as_clips() -> None:
    collection = clips({"large": 50}) + [clip("small", n, content="same") for n in range(9)]
    with pytest.raises(DatasetError, match="The genre small has 1 usable clip "):
        split(collection, SplitSettings())


@pytest.mark.parametrize("protocol", ["random", "grouped"])
@pytest.mark.parametrize(
    "fractions", [(0.5, 0.1, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (0.0, 0.0, 1.0), (0.8, float("nan"), 0.2)]
)
def test_fractions_that_make_no_sense(
    fractions: tuple[float, float, float], protocol: Literal["random", "grouped"]
) -> None:
    with pytest.raises(DatasetError, match="must add up to 1"):
        split(clips({"a": 9, "b": 9}), SplitSettings(protocol=protocol, fractions=fractions))


def test_a_seed_below_nothing_is_refused() -> None:
    with pytest.raises(DatasetError, match="seed of a split must be 0 or more"):
        split(clips({"a": 9, "b": 9}), SplitSettings(seed=-1))


def test_a_column_says_the_parts() -> None:
    names = ["train", "valid", "test", "train", "unassigned", "train"]
    collection = [clip("ab"[n % 2], n, split=name) for n, name in enumerate(names)]
    settings = SplitSettings(protocol="column")
    assert split(collection, settings) == Split([0, 3, 5], [1], [2])
    other = SplitSettings(protocol="column", parts=("train", "", "unassigned"))
    assert split(collection, other) == Split([0, 3, 5], [], [4])


def test_a_copy_of_a_tested_recording_is_not_trained_on() -> None:
    collection = [
        clip("a", n, content="same" if n in (0, 2) else None, split=name)
        for n, name in enumerate(["train", "train", "test", "valid"])
    ]
    assert split(collection, SplitSettings(protocol="column")) == Split([1], [3], [2])


def test_a_column_of_another_index(tmp_path: Path) -> None:
    collection = clips({"a": 3, "b": 3})
    index = tmp_path / "with:colon.csv"
    rows = [f"{c.name},{'valid' if n % 3 == 0 else 'train'}" for n, c in enumerate(collection)]
    index.write_text("\n".join(["name,part", *rows]))
    divided = split(collection, SplitSettings(protocol="column", column=f"{index}:part"))
    assert divided == Split([1, 2, 4, 5], [0, 3], [])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            SplitSettings(protocol="column", column="fold"),
            "The clips have no column 'fold': name one of split, or a column of a table",
        ),
        (SplitSettings(protocol="column", parts=("rock", "valid", "")), r"no clips to train on .* it has train \(4\)"),
        (SplitSettings(protocol="column", parts=("train", "nobody", "")), r"none to test on \(train, nobody\)"),
        (SplitSettings(protocol="column", column="nowhere.csv:split"), "nowhere.csv cannot be read"),
        (
            SplitSettings(protocol="column", column="{folder}/t.csv:fold"),
            "t.csv has no column 'fold': name one of name, part",
        ),
        (
            SplitSettings(protocol="column", column="{folder}/t.csv:part"),
            "No row of .*t.csv names any of these 4 clips",
        ),
        (SplitSettings(protocol="grouped", groups="artist"), "no column 'artist'"),
        (SplitSettings(protocol="grouped", fold=5), "no fold 5 of 5"),
        (SplitSettings(protocol="grouped", folds=50), "50 folds need as many groups, and there are 4"),
    ],
)
def test_columns_and_folds_that_are_not_there(settings: SplitSettings, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,part\nnobody,train\n")
    settings = msgspec.structs.replace(settings, column=settings.column.format(folder=tmp_path))
    collection = [clip("ab"[n % 2], n, split="train") for n in range(4)]
    with pytest.raises(DatasetError, match=sentence):
        split(collection, settings)


def grouped_collection() -> list[Clip]:
    rng = np.random.default_rng(0)
    return [clip(f"g{k}", n, artist=f"{k}/{rng.integers(25)}") for k in range(4) for n in range(80)]


def test_folds_cover_everything_once_and_keep_groups_together() -> None:
    collection = grouped_collection()
    tested: list[int] = []
    for fold in range(5):
        settings = SplitSettings(protocol="grouped", groups="artist", fold=fold)
        divided = split(collection, settings)
        assert all(len(parts) == 1 for parts in sides(collection, divided, "artist").values())
        assert sorted(divided.train + divided.valid + divided.test) == list(range(len(collection)))
        counts = Counter(collection[i].genre for i in divided.test)
        assert all(8 <= counts[f"g{k}"] <= 24 for k in range(4))
        assert 15 <= len(divided.valid) <= 45
        tested += divided.test
    assert sorted(tested) == list(range(len(collection)))


def test_folds_without_validation() -> None:
    settings = SplitSettings(protocol="grouped", groups="artist", fractions=(0.8, 0.0, 0.2))
    assert split(grouped_collection(), settings).valid == []


def test_clips_of_unknown_artists_are_groups_of_their_own() -> None:
    collection = [clip("ab"[n % 2], n, artist="") for n in range(50)]
    for fold in range(5):
        assert len(split(collection, SplitSettings(protocol="grouped", groups="artist", fold=fold)).test) == 10


@pytest.mark.skipif(not GTZAN_LOGMEL.is_dir(), reason="gtzan-logmel is not here")
def test_the_published_artists_never_stand_on_two_sides() -> None:
    rows = read_table(GTZAN_LOGMEL / "index.csv").rows
    collection = [replace(clip(row["genre"], n), columns=row) for n, row in enumerate(rows)]
    for fold in range(5):
        divided = split(collection, SplitSettings(protocol="grouped", groups="artist", fold=fold))
        assert all(len(parts) == 1 for parts in sides(collection, divided, "artist").values())
        assert all(len(parts) == 1 for parts in sides(collection, divided, "exact_duplicate_group").values())
        assert 125 <= len(divided.test) <= 160
    published = split(collection, SplitSettings(protocol="column"))
    assert (len(published.train), len(published.valid), published.test) == (442, 197, [])


@pytest.mark.parametrize(
    ("columns", "by"), [(("artist", "album"), "artist"), (("album",), "album"), (("recording",), "recording")]
)
def test_automatic_groups_are_the_first_that_are_known(columns: tuple[str, ...], by: str) -> None:
    rows = [dict.fromkeys(columns, f"group {i // 4}") for i in range(60)]
    clips = [
        Clip(Path(f"{i}.wav"), f"genre {i % 3}", str(i), f"{i:032x}", 22_050, 1, "wav", 30.0, row)
        for i, row in enumerate(rows)
    ]
    divided = split(clips, SplitSettings(protocol="grouped", groups="auto"))
    assert divided.notes == [f"Clips are grouped: those of one {by} stay in one part, in 15 groups."]
    for one, other in ((divided.train, divided.test), (divided.valid, divided.test), (divided.train, divided.valid)):
        assert not {i // 4 for i in one} & {i // 4 for i in other}
    shared = sharing_artist(clips, divided.test, divided.train)
    assert shared == (0 if by == "artist" else None)
    assert sharing_artist(clips, [0, 1, 2, 4], [3]) == (3 if by == "artist" else None)


def with_table(root: Path, artists: int, clips: int = 20) -> Scan:
    """Clips of two genres, whose artists are named by a table."""
    rows = []
    for number in range(clips):
        sound(root / f"{number}.wav", number)
        artist = f"Artist {number % artists}" if artists else ""
        rows.append({"file": f"{number}.wav", "genre": ("a", "b")[number % artists % 2], "artist": artist})
    table(root / "tracks.csv", rows)
    return scan(root, seconds=0.6)


def test_artists_that_the_source_names_stay_in_one_part(tmp_path: Path) -> None:
    found = with_table(tmp_path, artists=10)
    settings, note = default_split(found, SplitSettings(seed=3))
    assert (settings.protocol, settings.groups, settings.seed) == ("grouped", "auto", 3)
    assert note.startswith("clips of one artist stay in one part")
    parts = split(found.clips, settings)
    assert sharing_artist(found.clips, [*parts.test, *parts.valid], parts.train) == 0
    assert check(tmp_path).command == f"genre-tui train {tmp_path}"


def test_too_few_artists_are_ignored(tmp_path: Path) -> None:
    settings = SplitSettings()
    assert default_split(with_table(tmp_path, artists=2), settings) == (settings, "")
    assert check(tmp_path).command.endswith("--groups auto")


def test_what_was_asked_for_counts(tmp_path: Path) -> None:
    asked = SplitSettings(fractions=(0.6, 0.2, 0.2))
    assert default_split(with_table(tmp_path, artists=10), asked) == (asked, "")


def test_folders_name_artists_only_where_they_are_nested(tmp_path: Path) -> None:
    for number in range(20):
        genre, artist = ("a", "b")[number % 2], f"Artist {number % 10}"
        sound(tmp_path / "nested" / genre / artist / "Album" / f"{number}.wav", number)
        sound(tmp_path / "flat" / genre / f"{number}.wav", number)
    rows = [{"path": f"{('a', 'b')[n % 2]}/{n}.wav", "artist": f"Artist {n % 10}"} for n in range(20)]
    table(tmp_path / "flat" / "index.csv", rows)
    assert default_split(scan(tmp_path / "nested", seconds=0.6), SplitSettings())[0].protocol == "grouped"
    beside = scan(tmp_path / "flat", labels=LabelSettings(source="folders"), seconds=0.6)
    assert beside.clips[0].columns["artist"]
    assert default_split(beside, SplitSettings())[0].protocol == "random"
