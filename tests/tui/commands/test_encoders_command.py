"""``encoders`` lists what there is and what is here."""

import json
from pathlib import Path

import pytest

from core.models.encoders.registry import ENCODERS, WEIGHTS, encoder_folder
from tui import cli
from tui.shell.printing import DONE, FAILED


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))


def test_the_list_says_licence_size_and_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["encoders"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(ENCODERS)
    assert "ISC" in lines[1] and "200" in lines[1] and " no " in lines[1]
    encoder_folder("musicnn").mkdir(parents=True)
    (encoder_folder("musicnn") / WEIGHTS).touch()
    assert cli.main(["encoders", "--json"]) == DONE
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["name"] == "musicnn" and first["installed"] and first["dim"] == 200


def test_another_file_is_not_taken_for_the_wheel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.whl").write_bytes(b"PK")
    assert cli.main(["encoders", "get", "musicnn", "--wheel", str(tmp_path / "some.whl")]) == FAILED
    assert "is not the expected file" in capsys.readouterr().err
    assert not encoder_folder("musicnn").exists()
