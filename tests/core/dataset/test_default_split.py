"""The split that a dataset gets when nobody asks for one."""

from pathlib import Path

from core.dataset.default_split import default_split
from core.dataset.labels.settings import LabelSettings
from core.dataset.report import check
from core.dataset.scan import Scan, scan
from core.dataset.split import sharing_artist, split
from core.dataset.split_settings import SplitSettings
from tests.support.music import sound, table


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
