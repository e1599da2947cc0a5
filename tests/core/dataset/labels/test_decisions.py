"""Training and checking with a file of decisions: on top of whatever labels a dataset has."""

from pathlib import Path

import pytest

from core.dataset.clip import DatasetError
from core.dataset.labels.decisions import EXCLUDED, read_overlay
from core.dataset.scan import scan, survey, survey_unlabelled
from core.dataset.settings import LabelSettings
from core.labelling.overlay import Overlay
from tests.support.folders import genre_folder


def decide(labels: Path, data: Path, wanted: dict[str, str]) -> LabelSettings:
    """Decisions about files by their names."""
    overlay = Overlay(labels)
    for clip in survey_unlabelled(data).clips:
        if clip.path.name in wanted:
            overlay.decide(clip, str(clip.path.relative_to(data)), wanted[clip.path.name], "")
    overlay.close()
    return LabelSettings(source=str(labels))


def test_decisions_change_and_exclude_labels_of_folders(tmp_path: Path) -> None:
    music = genre_folder(tmp_path / "music", {"jazz": 3, "metal": 3})
    settings = decide(
        tmp_path / "labels.csv",
        music,
        {"jazz.00000.au": "metal", "jazz.00001.au": EXCLUDED, "metal.00000.au": "爵士"},
    )
    found = scan(music, labels=settings)
    assert {clip.path.name: clip.genre for clip in found.clips} == {
        "jazz.00000.au": "metal",
        "jazz.00002.au": "jazz",
        "metal.00000.au": "爵士",
        "metal.00001.au": "metal",
        "metal.00002.au": "metal",
    }
    assert [file.path for file in found.excluded] == ["jazz/jazz.00001.au"]
    assert scan(music, labels=found.labels).labels == found.labels, "a resumed run finds the same labels"


def test_files_without_labels_get_them_and_a_renamed_file_keeps_its_own(tmp_path: Path) -> None:
    music = genre_folder(tmp_path / "music", {"inbox": 4})
    settings = decide(tmp_path / "labels.csv", music, {"inbox.00000.au": "a", "inbox.00001.au": "b"})
    (music / "inbox/inbox.00001.au").rename(music / "renamed.au")
    (music / "inbox/inbox.00003.au").unlink()
    found = survey(music, labels=settings)
    labels = {clip.path.name: clip.genre for clip in found.clips}
    assert labels == {"inbox.00000.au": "a", "renamed.au": "b", "inbox.00002.au": "inbox"}


def test_damaged_rows_cost_only_themselves_and_a_file_without_decisions_says_so(tmp_path: Path) -> None:
    music = genre_folder(tmp_path / "music", {"jazz": 2, "metal": 2})
    labels = tmp_path / "labels.csv"
    settings = decide(labels, music, {"jazz.00000.au": "metal", "jazz.00001.au": "metal"})
    lines = labels.read_bytes().splitlines(keepends=True)
    labels.write_bytes(lines[0] + b'\xff\x00"broken\n' + lines[1][:20] + b"\n" + lines[2])
    assert [decision.path for decision in read_overlay(labels)] == ["jazz/jazz.00001.au"]
    assert [clip.genre for clip in scan(music, labels=settings).clips] == ["jazz", "metal", "metal", "metal"]
    for name in ("jazz", "metal"):
        for clip in (music / name).iterdir():
            clip.rename(music / clip.name)
        (music / name).rmdir()
    empty = decide(tmp_path / "none.csv", music, {"jazz.00000.au": EXCLUDED})
    with pytest.raises(DatasetError, match="has a label in"):
        survey(music, labels=empty)


def test_decisions_about_another_dataset_are_refused(tmp_path: Path) -> None:
    genre_folder(tmp_path / "music", {"jazz": 2, "metal": 2})
    labels = tmp_path / "labels.csv"
    labels.write_text("path,content,label,previous,time,who\npolka/1.au,0123,waltz,polka,2026-11-28T09:00:00,key\n")
    with pytest.raises(DatasetError, match=r"No decision in .* \(1 in all\) is about a file of .* another dataset"):
        scan(tmp_path / "music", labels=LabelSettings(source=str(labels)))
