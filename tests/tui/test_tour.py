"""The whole tour, as the README takes a newcomer through it: in tmux, with the real trainer and the real classifier."""

import re
import shlex
from pathlib import Path

import psutil
import pytest

from core.dataset.synthetic import make_demo
from core.runs.directory import list_runs
from tests.support.paths import GTZAN_MINI
from tests.support.pseudo_terminal import wait_until
from tests.support.tmux import HAVE_TMUX, Tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not HAVE_TMUX, reason="tmux is not installed"),
]

PREDICTION = r"io-bells\.00000\.au +\S+ +\S+ +\d+% +[━╸]* +\d+%"
"""File (its end), genre, runner-up and its probability, confidence."""
TRAINING = 240.0
"""Seconds that a few epochs may take on a machine that does other things as well."""


def test_from_a_folder_to_a_prediction(tmp_path: Path) -> None:
    make_demo(tmp_path, clips_per_genre=10, seconds=3.0)
    environment = {"OMP_NUM_THREADS": "2", "GENRE_TUI_CACHE": str(tmp_path / ".cache")}
    with Tmux(tmp_path, environment=environment) as tmux:
        # A newcomer is told what to do, chooses the folder, and sees what is in it.
        tmux.type(tmux.app())
        tmux.press("Enter")
        tmux.wait_for("No runs yet", "What to do next")
        tmux.press("n")
        tmux.wait_for("Start training")
        tmux.press("C-t")
        tmux.wait_for("Choose the folder", "genres: 10 genres, 100 audio files")
        tmux.press("Enter")
        tmux.wait_without("Choose the folder")
        tmux.wait_for("100 clips · 10 genres", "train 80 · valid 10 · test 10")

        # The defaults, but for fewer epochs.
        tmux.press("Down", "Down", "Down", "C-u")
        tmux.wait_for("Epochs: enter a whole number")
        tmux.type("4")
        tmux.wait_for("Epochs  +4")
        tmux.press("C-r")
        tmux.wait_for(r"\[2 Watch\]", "small_cnn", "epoch 1/4", patience=TRAINING)
        tmux.wait_for("epoch 2/4", patience=TRAINING)
        (run,) = list_runs(tmp_path / "runs")

        # Leaving ends nothing.
        tmux.press("q")
        tmux.wait_for("Training continues", run.name)
        assert run.is_alive()
        done = run.state().epochs_done
        wait_until(lambda: run.state().epochs_done > done, "training to continue with nobody watching", TRAINING)

        # Another day, another terminal: the run as it is now, to its report.
        tmux.type(f"clear; {tmux.app('attach')}; echo left with $?")
        tmux.press("Enter")
        tmux.wait_for(r"\[2 Watch\]", "✓ finished", patience=TRAINING)
        tmux.wait_for("test ", "report")
        tmux.press("1")
        tmux.wait_for(r"\[1 Runs\]", "✓ finished", "4/4")

        # And what is it good for?
        tmux.press("3")
        tmux.wait_for(r"\[3 Classify\]", "genres")
        classify_a_file(tmux)

        tmux.press("q")
        tmux.wait_for("left with 0")
        assert "Training continues" not in tmux.screen()

        # A real song is for the bundled model, not for one of synthetic sounds that is newer.
        songs = sorted(GTZAN_MINI.glob("*/*")) or sorted(tmp_path.glob("genres/*/*.au"))
        tmux.type(f"clear; {tmux.app('classify', shlex.quote(str(songs[0])))}")
        tmux.press("Enter")
        tmux.wait_for(r"model default \(bundled; genre-tui use RUN chooses another\)", patience=TRAINING)
        tmux.wait_for(re.escape(songs[0].name))
    wait_until(lambda: not _alive(run.path), "every process to be gone")


def classify_a_file(tmux: Tmux) -> None:
    """The first clip of the first genre, found in the tree."""
    tmux.press("Down", "Enter")
    tmux.wait_for("arpeggio-bells/")
    tmux.press("Down", "Enter")
    tmux.wait_for("arpeggio-bells.00000.au")
    tmux.press("Down", "Enter")
    tmux.wait_for(PREDICTION, patience=TRAINING)


def _alive(run: Path) -> list[psutil.Process]:
    """Processes that have to do with this run."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(run) in " ".join(p.info["cmdline"] or [])]
