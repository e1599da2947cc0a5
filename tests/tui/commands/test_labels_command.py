"""Doubtful labels, decisions about them and similar files, from the command line."""

import csv
import json
from pathlib import Path

import pytest

from core.dataset.labels.decisions import EXCLUDED
from core.dataset.scan import survey
from core.labelling.overlay import Overlay
from tests.support.folders import genre_folder
from tests.support.small_model import shared_model, shared_sounds
from tui.cli import main


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    return genre_folder(tmp_path / "music", {"jazz": 4, "metal": 4}, seconds=2.0)


def test_suspects_as_json_csv_and_table(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "suspects", str(music), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 8
    assert [line["doubt"] for line in lines] == sorted((line["doubt"] for line in lines), reverse=True)
    for line in lines:
        assert set(line) == {"name", "path", "label", "suggested", "doubt", "probabilities"}
        assert Path(line["path"]).is_file() and Path(line["path"]).stem == line["name"]
        assert set(line["probabilities"]) == {"jazz", "metal"}
    assert main(["data", "suspects", str(music), "--csv", "--top", "3"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["name"] for row in rows] == [line["name"] for line in lines[:3]]
    assert main(["data", "suspects", str(music), "--top", "1"]) == 0
    assert lines[0]["path"] in capsys.readouterr().out


def test_suspects_of_a_pack_have_no_path(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pack", str(music), str(tmp_path / "packed")]) == 0
    capsys.readouterr()
    assert main(["data", "suspects", str(tmp_path / "packed"), "--json"]) == 0
    assert {json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()} == {None}


def test_unknown_groups_are_one_sentence(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "suspects", str(music), "--groups", "artist"]) != 0
    assert "no column 'artist'" in capsys.readouterr().err


def test_similar_lists_others_and_writes_a_playlist(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query, out = music / "jazz" / "jazz.00000.au", tmp_path / "alike.m3u8"
    assert main(["similar", str(query), str(music), "--top", "3", "--json", "--playlist", str(out)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3 and query.stem not in [line["name"] for line in lines]
    listed = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    assert [(tmp_path / line).resolve() for line in listed] == [Path(line["path"]).resolve() for line in lines]
    assert main(["similar", "jazz.00000", str(music), "--top", "3"]) == 0
    assert lines[0]["name"] in capsys.readouterr().out
    assert main(["similar", "absent.au", str(music)]) != 0
    assert "neither an audio file nor the name of a clip" in capsys.readouterr().err


def test_decisions_are_shown_applied_and_taken_back(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, labels = survey(music).clips, tmp_path / "labels.csv"
    overlay = Overlay(labels)
    overlay.decide(clips[0], "jazz/jazz.00000.au", "metal", "jazz")
    overlay.decide(clips[1], "jazz/jazz.00001.au", EXCLUDED, "jazz")
    overlay.close()
    assert main(["data", "labels", "diff", str(music), str(labels)]) == 0
    assert capsys.readouterr().out == "jazz → metal  jazz/jazz.00000\njazz → excluded  jazz/jazz.00001\n"
    out = tmp_path / "new.csv"
    assert main(["data", "labels", "apply", str(music), str(labels), "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 7
    assert rows[0] == {"path": "jazz/jazz.00000.au", "genre": "metal"}
    capsys.readouterr()
    assert main(["data", "suspects", str(music), "--labels", str(labels), "--json"]) == 0
    found = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert "jazz.00001" not in found and found["jazz.00000"]["label"] == "metal"
    assert main(["data", "labels", "revert", str(music), str(labels)]) == 0
    capsys.readouterr()
    assert main(["data", "labels", "diff", str(music), str(labels)]) == 0
    assert capsys.readouterr().out == ""


def test_a_model_is_asked_about_clips_that_are_new_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    command = ["data", "suspects", str(shared_sounds()), "--json"]
    assert main(command) == 0
    alone = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main([*command, "--model", str(shared_model())]) == 0
    asked = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"] for line in asked} == {line["name"] for line in alone}
    assert asked != alone
    right = sum(line["probabilities"][line["label"]] == max(line["probabilities"].values()) for line in asked)
    assert right > 0.8 * len(asked)


def test_labels_from_a_table_and_decisions_at_once(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, decisions, table = survey(music).clips, tmp_path / "labels.csv", tmp_path / "genres.csv"
    rows = [f"{clip.name}.au,{'folk' if clip.genre == 'jazz' else 'punk'}" for clip in clips]
    table.write_text("\n".join(["file,genre", *rows]))
    overlay = Overlay(decisions)
    overlay.decide(clips[0], "jazz/jazz.00000.au", EXCLUDED, "folk")
    overlay.close()
    assert main(["data", "suspects", str(music), "--labels", str(table), "--decisions", str(decisions), "--json"]) == 0
    printed = capsys.readouterr()
    assert "labels: genres.csv, column genre; 8 of 8 files matched" in printed.err
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert len(lines) == 7 and {line["label"] for line in lines} == {"folk", "punk"}
    assert main(["data", "suspects", str(music), "--labels", str(decisions), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 7 and {line["label"] for line in lines} == {"jazz", "metal"}
    query = ["similar", "jazz.00000", str(music), "--labels", str(table), "--json"]
    assert main(query) == 0
    assert "folk" in {json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()}
    out = tmp_path / "new.csv"
    assert main(["data", "labels", "apply", str(music), str(decisions), "--labels", str(table), "--out", str(out)]) == 0
    assert {row["genre"] for row in csv.DictReader(out.read_text().splitlines())} == {"folk", "punk"}
