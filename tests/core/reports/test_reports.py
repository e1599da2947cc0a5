"""Figures, texts and pictures of a report."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from core.reports.metrics import Assessment, as_text, assess, classification_report
from core.reports.plots import plot_confusion, plot_curves
from core.reports.spectrograms import write_spectrogram, write_spectrograms
from core.runs.journal import events as ev
from core.runs.journal.log_lines import log_text

GENRES = ["blues", "jazz", "metal"]
TRUTH = [0, 0, 0, 1, 1, 2, 2, 2]
PREDICTED = [0, 0, 1, 1, 1, 2, 0, 2]


def assessment() -> Assessment:
    return assess(
        [f"{i}.wav" for i in range(8)],
        TRUTH,
        PREDICTED,
        [0.9, 0.8, 0.7, 0.6, 0.9, 0.9, 0.95, 0.5],
        GENRES,
        interval=(0.4093, 0.9285),
        loss=0.5,
        calibration_error=0.1,
        calibration_noise=0.05,
    )


def test_figures_are_those_of_scikit_learn() -> None:
    found = assessment()
    assert found.accuracy == metrics.accuracy_score(TRUTH, PREDICTED)
    assert found.majority == 3 / 8
    assert "always answering the most frequent genre has an accuracy of 37.5%" in as_text(found, "")
    assert found.macro_f1 == pytest.approx(metrics.f1_score(TRUTH, PREDICTED, average="macro"))
    assert found.confusion == metrics.confusion_matrix(TRUTH, PREDICTED).tolist()
    assert found.report["jazz"] == {"precision": 2 / 3, "recall": 1.0, "f1-score": 0.8, "support": 2.0}
    assert found.report["weighted avg"]["support"] == 8


def test_mistakes_come_most_confident_first() -> None:
    assert [(m.path, m.genre, m.predicted) for m in assessment().misclassified] == [
        ("6.wav", "metal", "blues"),
        ("2.wav", "blues", "jazz"),
    ]


def test_everything_is_plain_json() -> None:
    assert json.loads(msgspec.json.encode(assessment()))["report"]["accuracy"] == 0.75


def test_a_genre_without_clips_does_not_pull_the_average_down() -> None:
    report = classification_report([0, 0, 1], [0, 0, 1], GENRES)
    assert report.macro_f1 == 1.0 and "metal" not in report.table
    assert classification_report([0, 0, 1], [0, 2, 1], GENRES).macro_f1 < 1.0


def test_the_text_names_genres_figures_and_mistakes() -> None:
    text = as_text(assessment(), "a heading")
    assert text.startswith("a heading\n8 clips: accuracy 75.0%, loss 0.5000")
    assert "95% interval of the accuracy 40.9% to 92.8%" in text
    assert "macro avg" in text and "6.wav: metal predicted as blues (95.0%)" in text
    rows = text.splitlines()[text.splitlines().index("Confusion (rows: true genre, columns: predicted genre)") + 1 :]
    assert rows[1].split() == ["1", "blues", "2", "1", "."]


def test_a_comparison_stands_by_the_figures() -> None:
    lines = as_text(assessment(), "a heading", "as good as another").splitlines()
    assert lines[lines.index("as good as another") - 1].startswith("calibration error")


def test_no_mistakes_are_reported_too() -> None:
    perfect = assess(
        ["a", "b"],
        [0, 1],
        [0, 1],
        [1.0, 1.0],
        GENRES,
        interval=(0.3424, 1.0),
        loss=0.0,
        calibration_error=0.0,
        calibration_noise=0.0,
    )
    assert "No clip was misclassified." in as_text(perfect, "")


def test_a_spectrogram_stands_upright(tmp_path: Path) -> None:
    quantised_MT = np.zeros((16, 40), np.uint8)
    quantised_MT[2, :] = 255  # a loud low band
    write_spectrogram(tmp_path / "s.png", quantised_MT)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.size == (40, 16) and picture.mode == "P"
        brightness = np.asarray(picture.convert("L"))
    assert brightness[:, 0].argmax() == 16 - 1 - 2
    assert brightness.max() > 200 and brightness.min() < 10


def test_pictures_replace_a_former_set_as_a_whole(tmp_path: Path) -> None:
    quantised_MT = np.zeros((4, 4), np.uint8)
    folder = tmp_path / "Spectrograms"
    assert write_spectrograms(folder, [("jazz", "one", quantised_MT), ("jazz", "two", quantised_MT)]) == 2
    assert write_spectrograms(folder, [("rock", "a/b", quantised_MT), ("rock", "é" * 200, quantised_MT)]) == 2
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert names == ["rock/a-b.png", f"rock/{'é' * 100}.png"]

    def broken() -> object:
        yield "rock", "c", quantised_MT
        raise KeyError("by the test")

    with pytest.raises(KeyError):
        write_spectrograms(folder, broken())  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["Spectrograms"]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == names


@pytest.mark.parametrize("epochs", [1, 3, 200])
def test_curves_are_drawn_for_any_length(tmp_path: Path, epochs: int) -> None:
    numbers = list(range(1, epochs + 1))
    path = tmp_path / "Plots" / "loss_curves.png"
    plot_curves(path, "Loss", "nats", numbers, [1 / n for n in numbers], [2 / n for n in numbers], epochs)
    with Image.open(path) as picture:
        assert picture.width > 600


@pytest.mark.parametrize("genres", [2, 30, 400])
def test_the_confusion_is_drawn_for_any_number_of_genres(tmp_path: Path, genres: int) -> None:
    path = tmp_path / "confusion_matrix.png"
    plot_confusion(path, "Confusion", np.eye(genres, dtype=int).tolist(), [f"genre {i}" for i in range(genres)])
    with Image.open(path) as picture:
        assert 400 < picture.width < 3000
        assert picture.height < 3000


def test_the_log_tells_what_people_want_to_know() -> None:
    progress = ev.BatchProgress(epoch=1, batch=1, batches=2, step=1)
    assert log_text(progress) == ""
    line = log_text(ev.Warned(message="careful", time=0.0))
    assert line.endswith("  careful\n") and line[:4].isdecimal()
    two = log_text(ev.RunFailed(error="it broke", traceback="Traceback\n  here", time=0.0)).splitlines()
    assert len(two) == 3 and "it broke" in two[0]


def test_no_name_leads_a_picture_out_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "Spectrograms"
    folder.parent.mkdir()
    names = ["../../evil", "/etc/evil", "..", ".", "", "a/b", "a-b", "A-B", "x\0y"]
    pictures = [(genre, clip, np.zeros((4, 4), np.uint8)) for genre in names for clip in names]
    assert write_spectrograms(folder, pictures) == len(pictures)
    assert len(list(folder.glob("*/*.png"))) == len(pictures)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
