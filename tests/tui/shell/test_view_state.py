"""Views are kept per run; a file that is older, newer or damaged yields what is readable."""

import os
from pathlib import Path

import pytest

from tui.shell.view_state import WatchView, load_view, run_view_file, save_view


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def save(run: Path, view: WatchView) -> None:
    save_view(run_view_file(run), view)


def load(run: Path) -> WatchView:
    return load_view(run_view_file(run), WatchView())


def kept(folder: Path) -> Path:
    return next((folder / "genre-tui" / "views").iterdir())


def test_a_view_is_kept_for_its_own_run(tmp_path: Path) -> None:
    save(tmp_path / "a", WatchView(log_loss=True, smoothing=0.5))
    assert load(tmp_path / "a") == WatchView(log_loss=True, smoothing=0.5)
    assert load(tmp_path / "b") == WatchView()


def test_two_runs_of_the_same_name_have_their_own_views(tmp_path: Path) -> None:
    save(tmp_path / "x" / "run", WatchView(smoothing=0.1))
    save(tmp_path / "y" / "run", WatchView(smoothing=0.2))
    assert load(tmp_path / "x" / "run").smoothing == 0.1


def test_a_run_may_have_a_name_that_is_not_utf_8_or_very_long(tmp_path: Path) -> None:
    for name in (os.fsdecode(b"\xff\xfe"), "x" * 250):
        save(tmp_path / name, WatchView(steps=True))
        assert load(tmp_path / name).steps


@pytest.mark.parametrize(
    ("text", "view"),
    [
        (b'{"log_loss": true}', WatchView(log_loss=True)),
        (b'{"log_loss": true, "colour": "red"}', WatchView(log_loss=True)),
        (b'{"log_loss": "yes", "smoothing": 0.5}', WatchView(smoothing=0.5)),
        (b'{"smoothing": 2, "steps": true}', WatchView(steps=True)),
        (b'{"smoothing": ', WatchView()),
        (b"[1, 2]", WatchView()),
        (b"[" * 100_000, WatchView()),
        (b"\xff\xfe", WatchView()),
        (b"", WatchView()),
    ],
)
def test_other_versions_and_damage_are_tolerated(
    state_folder: Path, tmp_path: Path, text: bytes, view: WatchView
) -> None:
    save(tmp_path / "run", WatchView())
    kept(state_folder).write_bytes(text)
    assert load(tmp_path / "run") == view


def test_a_folder_that_is_not_writable_is_no_error(state_folder: Path, tmp_path: Path) -> None:
    state_folder.write_text("a file where a folder should be")
    save(tmp_path / "run", WatchView(smoothing=0.5))
    assert load(tmp_path / "run") == WatchView()
