"""Views are kept a run, and a file that is older, newer or broken gives what can be understood of it."""

from pathlib import Path

import msgspec
import pytest

from tui.watch.view_state import load, save


class View(msgspec.Struct):
    log_loss: bool = False
    smoothing: float = 0.0
    panel: str = "epochs"


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def kept(folder: Path) -> Path:
    return next((folder / "genre-tui" / "views").iterdir())


def test_a_view_comes_back_for_its_own_run(tmp_path: Path) -> None:
    save(tmp_path / "a", View(log_loss=True, smoothing=0.5))
    assert load(tmp_path / "a", View) == View(log_loss=True, smoothing=0.5)
    assert load(tmp_path / "b", View) == View()


def test_two_runs_of_one_name_are_two(tmp_path: Path) -> None:
    save(tmp_path / "x" / "run", View(smoothing=0.1))
    save(tmp_path / "y" / "run", View(smoothing=0.2))
    assert load(tmp_path / "x" / "run", View).smoothing == 0.1


@pytest.mark.parametrize(
    ("text", "view"),
    [
        (b'{"log_loss": true}', View(log_loss=True)),
        (b'{"log_loss": true, "colour": "red"}', View(log_loss=True)),
        (b'{"log_loss": "yes", "smoothing": 0.5}', View(smoothing=0.5)),
        (b'{"smoothing": ', View()),
        (b"[1, 2]", View()),
        (b"\xff\xfe", View()),
        (b"", View()),
    ],
)
def test_other_versions_are_tolerated(state_folder: Path, tmp_path: Path, text: bytes, view: View) -> None:
    save(tmp_path / "run", View())
    kept(state_folder).write_bytes(text)
    assert load(tmp_path / "run", View) == view


def test_where_nothing_can_be_kept_nothing_fails(state_folder: Path, tmp_path: Path) -> None:
    state_folder.write_text("a file where a folder should be")
    save(tmp_path / "run", View(smoothing=0.5))
    assert load(tmp_path / "run", View) == View()
