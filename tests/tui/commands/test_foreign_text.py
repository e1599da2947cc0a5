"""Names, tags, journals, files and arguments of others: a terminal gets none of their control characters."""

import json
from pathlib import Path

import msgspec
import pytest

from core.runs.directory import create
from core.runs.journal import events as ev
from core.util.text import UNSAFE
from tests.support.event_sequences import beginning, epoch, write_journal
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.recordings import tone, write_sound
from tests.support.small_model import a_sound, shared_model
from tui.cli import main

HOSTILE = "x\x1b[31m\x1b]0;PWN\x07\x9b2J\n\u202egpj\u2066\x7f"
"""Colour, window title, clear the screen, a second line, reversed text: as part of any name."""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def hostile_run(runs: Path) -> Path:
    """A run with such a name, whose every event says such things."""
    run = create(runs, {"data": HOSTILE, "model": HOSTILE}, HOSTILE, "small_cnn", name="run")
    start, dataset, *_ = beginning()
    names = {"dataset": HOSTILE, "model": HOSTILE, "device_name": HOSTILE, "host": HOSTILE}
    events = [
        msgspec.structs.replace(start, **names),
        dataset,
        ev.Warned(message=HOSTILE),
        *epoch(1),
        ev.RunFailed(error=HOSTILE, traceback=f"Traceback\n{HOSTILE}"),
    ]
    write_journal(run.journal_path, events)
    return run.path.rename(runs / HOSTILE)


def hostile_dataset(folder: Path) -> Path:
    """Genres and clips with such names, one of them broken."""
    for genre in ("a", HOSTILE):
        (folder / genre).mkdir(parents=True)
        (folder / genre / f"{HOSTILE}.wav").write_bytes(b"RIFF")
    write_sound(folder / "a" / "good.wav", tone(1, 8000), 8000)
    return folder


def assert_safe(captured: str) -> None:
    assert not (found := UNSAFE.search(captured.replace("\n", ""))), ascii(found)


def test_runs_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = hostile_run(tmp_path / "runs")
    for arguments in (
        ["runs"],
        ["runs", "--json"],
        ["show", "x"],
        ["show", "x", "--json"],
        ["show", str(run), "--csv"],
    ):
        assert main(["--runs", str(tmp_path / "runs"), *arguments]) == 0
        out, err = capsys.readouterr()
        assert_safe(out + err)
        if "--json" in arguments:
            assert json.loads(out)["model"] == HOSTILE
        elif arguments[0] == "runs":
            assert len(out.splitlines()) == 2
    for arguments in (
        ["resume", f"nosuch{HOSTILE}"],
        ["show", HOSTILE + HOSTILE],
        ["stop", "x"],
        ["extend", "x", "--epochs", HOSTILE],
    ):
        assert main(["--runs", str(tmp_path / "runs"), *arguments]) > 0
        out, err = capsys.readouterr()
        assert_safe(out + err)
        assert len(err.splitlines()) == 1


def test_on_a_terminal(tmp_path: Path) -> None:
    """There ``--csv`` is safe too, and ``show`` is redrawn."""
    run = hostile_run(tmp_path / "runs")
    for arguments in (["show", str(run)], ["show", str(run), "--csv"], ["runs", "--json"], ["runs", "nosuch", HOSTILE]):
        with PseudoTerminal(["--runs", str(tmp_path / "runs"), *arguments], tmp_path) as terminal:
            terminal.wait()
            shown = terminal.output.decode()
        for own in ("\x1b[H", "\x1b[K", "\x1b[J", "\r\n"):
            shown = shown.replace(own, "")
        assert_safe(shown)
        assert shown


def test_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = hostile_dataset(tmp_path / HOSTILE)
    for arguments in (["data", "check", str(data)], ["data", "check", str(data), "--json"], ["train", str(data)]):
        assert main(["--runs", str(tmp_path / "runs"), *arguments]) > 0
        out, err = capsys.readouterr()
        assert_safe(out + err)


def test_files_labels_and_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mutagen.flac
    import soundfile

    y, rate = soundfile.read(a_sound("saw-wall"), dtype="float32")
    song = write_sound(tmp_path / f"{HOSTILE}.flac", y, rate)
    tags = mutagen.flac.FLAC(song)
    tags["genre"] = [HOSTILE]
    tags.save()
    (tmp_path / f"{HOSTILE}.mp3").write_bytes(b"")
    (tmp_path / "map.toml").write_text(f"[names]\nsaw-wall = {json.dumps(HOSTILE)}\n".replace("\x7f", r"\u007f"))
    options = ["--map", str(tmp_path / "map.toml"), "--write-tags", "--force", "--playlists", str(tmp_path / HOSTILE)]
    assert main(["classify", "--model", str(shared_model()), str(tmp_path), *options]) == 1
    out, err = capsys.readouterr()
    assert_safe(out + err)
    assert r"x\x1b[31m" in out and r"x\x1b[31m" in err
    assert main(["classify", "--model", str(shared_model()), str(tmp_path), "--csv", "-"]) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [[HOSTILE], [f"--{HOSTILE}"], ["train", HOSTILE], ["train", ".", "--set", f"{HOSTILE}=1"], ["classify", HOSTILE],
     ["classify", "--model", HOSTILE, "x"], ["export", HOSTILE, "x.onnx"], ["export", "default", HOSTILE],
     ["import", HOSTILE, "x"], ["data", "check", HOSTILE], ["evaluate", HOSTILE, HOSTILE], ["data", "preview", HOSTILE],
     ["classify", "--undo-tags", HOSTILE], ["train", ".", "--name", HOSTILE], ["--theme", HOSTILE, HOSTILE]],
)  # fmt: skip
def test_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) > 0
    out, err = capsys.readouterr()
    assert_safe(out + err)
    assert "Traceback" not in err and "internal error" not in err


def test_settings(capsys: pytest.CaptureFixture[str]) -> None:
    from tui.shell.settings import settings_file

    settings_file().parent.mkdir(parents=True)
    settings_file().write_text('"x\\u001b[31m\\u202e" = 1\n')
    main(["config"])
    out, err = capsys.readouterr()
    assert_safe(out + err)
    assert "u202e" in err
