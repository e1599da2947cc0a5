"""Whole runs in this process: what is left behind, what goes wrong and how that is told."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from core.dataset.pack import pack
from core.features.settings import FrontEndSettings
from core.models.networks.expert_choice import SHRINKAGES
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.journal.log_lines import duration
from core.runs.lock import RunLock
from core.training.recipe import OptimiserSettings, SplitSettings
from core.training.run.trainer import run_trainer
from core.util.errors import UserError
from tests.support import trainer_runs as lives
from tests.support.tones import CLIPS, GENRES, make_collection
from tui.cli import main


@pytest.fixture(scope="module")
def finished(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = lives.new_run(tmp_path_factory.mktemp("runs"), collection, epochs=6, spectrograms=True)
    assert isinstance(lives.train(run), ev.RunFinished)
    return run


def test_events_come_in_the_order_of_the_story(finished: RunFolder) -> None:
    events = lives.events(finished)
    assert [event.seq for event in events] == list(range(len(events)))
    kinds: list[type[ev.Event]] = [type(event) for event in events]
    story: list[type[ev.Event]] = [
        ev.RunStarted,
        ev.DatasetScanned,
        ev.FeaturesProgress,
        ev.ModelBuilt,
        ev.EpochStarted,
        ev.BatchProgress,
    ]
    story += [ev.EpochFinished, ev.TestFinished, ev.RunFinished]
    firsts = [kinds.index(kind) for kind in story]
    assert firsts == sorted(firsts) and kinds[0] is ev.RunStarted and kinds[-1] is ev.RunFinished
    reports = [event.seq for event in events if isinstance(event, ev.ArtefactSaved) and event.what == "report"]
    assert len(reports) == 2 and min(reports) > kinds.index(ev.TestFinished)
    scanned = lives.of_kind(finished, ev.DatasetScanned)[0]
    assert scanned.clips == dict.fromkeys(GENRES, CLIPS) and scanned.parts == {"train": 24, "valid": 3, "test": 3}


def test_each_epoch_tells_everything(finished: RunFolder) -> None:
    for epoch in lives.of_kind(finished, ev.EpochFinished):
        assert sum(map(sum, epoch.confusion)) == 3 and len(epoch.genre_accuracy) == 3
        assert epoch.gradient_norm is not None and epoch.gradient_norm > 0
        assert epoch.train_seconds > 0 and epoch.val_seconds > 0 and epoch.clips_per_second > 0
    assert all(batch.gradient_norm for batch in lives.of_kind(finished, ev.BatchProgress) if batch.phase == "train")
    best = [epoch for epoch in lives.of_kind(finished, ev.EpochFinished) if epoch.is_best][-1]
    saved = lives.load(finished.best_model_path)
    assert (saved["epoch"], saved["val_accuracy"]) == (best.epoch, best.val_accuracy)
    assert saved["genres"] == sorted(GENRES) and saved["front_end"]["n_mels"] == 32
    assert saved["calibration"]["temperature"] > 0 and "ece_valid" in saved["calibration"]


def test_the_end_tells_how_long_each_phase_took(finished: RunFolder) -> None:
    ending = lives.events(finished)[-1]
    assert isinstance(ending, ev.RunFinished) and ending.elapsed is not None
    assert list(ending.phases) == [
        "start",
        "queue",
        "scan",
        "features",
        "adapting",
        "epochs",
        "checkpoints",
        "report",
        "pictures",
    ]
    assert sum(ending.phases.values()) == pytest.approx(ending.elapsed, abs=2)  # lock and journal come first
    epochs = lives.of_kind(finished, ev.EpochFinished)
    assert ending.phases["epochs"] >= sum(epoch.train_seconds + epoch.val_seconds for epoch in epochs)
    assert ending.background["checkpoints"] > 0 and ending.background["pictures"] > 0
    report = json.loads(finished.report_json_path.read_text())
    assert report["seconds"]["epochs"] == pytest.approx(ending.phases["epochs"], abs=0.01)
    assert f"epochs {duration(ending.phases['epochs'])}" in finished.training_log_path.read_text()


def test_it_learns(finished: RunFolder) -> None:
    losses = [epoch.train_loss for epoch in lives.of_kind(finished, ev.EpochFinished)]
    assert losses[-1] < 0.7 * losses[0]
    assert lives.of_kind(finished, ev.TestFinished)[0].accuracy >= 2 / 3


def test_the_folder_holds_what_was_promised(finished: RunFolder) -> None:
    for plot in ("loss_curves", "accuracy_curves", "confusion_matrix"):
        with Image.open(finished.plots_path / f"{plot}.png") as picture:
            assert picture.width > 300
    pictures = sorted(finished.spectrograms_path.rglob("*.png"))
    assert len(pictures) == 3 * CLIPS
    with Image.open(finished.spectrograms_path / "hum" / "hum.00003.png") as picture:
        assert picture.size == (87, 32)
    report = json.loads(finished.report_json_path.read_text())
    tested = lives.of_kind(finished, ev.TestFinished)[0]
    assert report["accuracy"] == tested.accuracy and report["confusion"] == tested.confusion
    assert report["part"] == "test" and "random stratified split 80/10/10, seed 0" in report["protocol"]
    text = finished.report_text_path.read_text()
    assert "precision" in text and "macro avg" in text and "whistle" in text
    log = finished.training_log_path.read_text()
    assert "epoch 6:" in log and "test: loss" in log and "finished in" in log
    artefacts = {event.path: event.count for event in lives.of_kind(finished, ev.ArtefactSaved)}
    assert artefacts["Spectrograms"] == 3 * CLIPS
    assert all((finished.path / path).exists() for path in artefacts)
    with (finished.path / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * CLIPS and {row["part"] for row in rows} == {"train", "valid", "test"}
    assert not [path for path in finished.path.iterdir() if path.name.startswith(".")]


def test_the_report_names_the_baseline_and_what_was_chosen(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, int] = {"width": 4, "memory": 4}
    run = lives.new_run(tmp_path, collection, epochs=1, model="ensemble_cnn", model_options=options, fit_seconds=1.5)
    lives.train(run)
    report = json.loads(run.report_json_path.read_text())
    assert set(report["baseline"]) == {"majority", "svm"}
    chosen = report["experts"]
    assert (
        chosen["network_weight"] == pytest.approx(0.4 / (1 + 0.4 * 2 / 3), abs=1e-6)
        and chosen["shrinkage"] in SHRINKAGES
    )
    assert chosen["window_seconds"] == pytest.approx(1.0, abs=0.03)
    assert chosen["fit_seconds"] == pytest.approx(1.5, abs=0.03)
    assert main(["show", str(run.path)]) == 0
    shown, written = capsys.readouterr().out, run.report_text_path.read_text()
    for text in (shown, written):
        assert "baseline: a support-vector machine on band statistics has an accuracy of" in text
        assert "weight of the network 0.32" in text and "fitted to windows of 1.51 s" in text


def test_a_diverging_run_keeps_the_last_good_weights(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, epochs=2)
    lives.train(run)
    good = lives.load(run.best_model_path)
    mad = OptimiserSettings(learning_rate=1e30)
    lives.change_recipe(run, epochs=9, optimiser=mad)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed)
    assert ending.traceback == "" and "became" in ending.error and "lower learning rate" in ending.error
    assert f"keeps the weights of epoch {good['epoch']}" in ending.error
    lives.assert_same(lives.load(run.best_model_path), good)
    assert all(torch.isfinite(weights).all() for weights in lives.load(run.last_path)["weights"].values())
    assert run.state().status == "failed"


def test_diverging_in_the_first_epoch(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, optimiser=OptimiserSettings(learning_rate=1e30))
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "no weights to keep" in ending.error
    assert not run.best_model_path.exists() and not run.last_path.exists()


def test_an_unforeseen_error_is_told_with_its_traceback(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr("core.training.loop.train.calibrate", broken)
    run = lives.new_run(tmp_path, collection)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed)
    assert ending.error == "ZeroDivisionError: by the test"
    assert "Traceback" in ending.traceback and "train_model" in ending.traceback
    assert "Traceback" in run.training_log_path.read_text()


@pytest.mark.parametrize("picture", ["plots.plot_confusion", "spectrograms.write_spectrograms"])
def test_a_picture_that_cannot_be_drawn_is_a_warning(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: str
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr(f"core.reports.{picture}", broken)
    run = lives.new_run(tmp_path, collection, epochs=1, spectrograms=True)
    assert isinstance(lives.train(run), ev.RunFinished)
    assert any("ZeroDivisionError: by the test" in event.message for event in lives.of_kind(run, ev.Warned))
    drawn = {path.name for path in run.plots_path.iterdir()} | {path.name for path in run.spectrograms_path.glob("*")}
    assert {"loss_curves.png", "accuracy_curves.png"} <= drawn
    assert ("confusion_matrix.png" in drawn) == ("confusion" not in picture)
    assert {"hum", "tone", "whistle"}.isdisjoint(drawn) == ("spectrograms" in picture)


def test_a_run_that_is_running_is_left_alone(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection)
    with RunLock(run.lock_path), pytest.raises(UserError, match="running already"):
        run_trainer(run.path)
    assert not run.journal_path.exists()


def test_patience_ends_a_run_early(collection: Path, tmp_path: Path) -> None:
    still = OptimiserSettings(learning_rate=1e-12)
    run = lives.new_run(tmp_path, collection, epochs=50, patience=2, optimiser=still)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFinished) and "has not improved for 2 epochs" in ending.message
    epochs = lives.of_kind(run, ev.EpochFinished)
    assert len(epochs) < 50
    assert [epoch.epoch for epoch in epochs if epoch.is_best][-1] == len(epochs) - 2 == ending.best_epoch

    lives.change_recipe(run, epochs=60)  # extended: as patient as before, from here
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFinished) and "has not improved for 2 epochs" in ending.message
    further = lives.of_kind(run, ev.EpochFinished)[-1].epoch
    assert further == max(ending.best_epoch, len(epochs)) + 2

    assert isinstance(lives.train(run), ev.RunFinished)  # as after a crash in its last moments: nothing is trained
    assert lives.of_kind(run, ev.EpochFinished)[-1].epoch == further


def test_without_a_test_part_the_report_is_on_validation(tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", clips=4)
    lines = ["name,split"]
    lines += [f"{genre}.{i:05d},{'valid' if i == 3 else 'train'}" for genre in GENRES for i in range(4)]
    (data / "index.csv").write_text("\n".join(lines) + "\n")
    split = SplitSettings(protocol="column", parts=("train", "valid", ""))
    run = lives.new_run(tmp_path / "runs", data, epochs=1, split=split)
    assert isinstance(lives.train(run), ev.RunFinished)
    assert not lives.of_kind(run, ev.TestFinished)
    assert "no test part" in lives.of_kind(run, ev.Warned)[0].message
    report = json.loads(run.report_json_path.read_text())
    assert (report["part"], report["clips"]) == ("validation", 3)


def test_a_dataset_that_changed_since_is_refused_and_a_grown_one_is_not(tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", clips=4)
    whole = lives.new_run(tmp_path / "runs", data, epochs=2)
    lives.train(whole)
    run = lives.new_run(tmp_path / "runs", data, epochs=1)
    lives.train(run)
    shutil.copy(data / "hum" / "hum.00000.wav", data / "hum" / "another.wav")
    lives.change_recipe(run, epochs=2)
    assert isinstance(lives.train(run), ev.RunFinished)
    assert "1 clip was added to the dataset" in lives.of_kind(run, ev.Warned)[0].message
    lives.assert_same(lives.load(whole.last_path)["weights"], lives.load(run.last_path)["weights"])
    (data / "tone" / "tone.00001.wav").unlink()
    lives.change_recipe(run, epochs=3)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "no longer the one" in ending.error and "tone.00001" in ending.error


def test_changed_labels_are_refused_and_the_first_difference_named(tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", clips=4)
    run = lives.new_run(tmp_path / "runs", data, epochs=1)
    assert isinstance(lives.train(run), ev.RunFinished)
    (data / "tone" / "tone.00001.wav").rename(data / "hum" / "tone.00001.wav")
    lives.change_recipe(run, epochs=2)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "tone.00001 was tone and is now hum" in ending.error


def test_a_pack_brings_its_front_end(collection: Path, tmp_path: Path) -> None:
    pack(collection, tmp_path / "pack", lives.FRONT_END)
    audio = lives.new_run(tmp_path / "runs", collection, epochs=1)
    lives.train(audio)
    packed = lives.new_run(tmp_path / "runs", tmp_path / "pack", epochs=1, front_end=FrontEndSettings())
    assert isinstance(lives.train(packed), ev.RunFinished)
    assert lives.of_kind(packed, ev.RunStarted)[0].recipe["front_end"]["n_mels"] == 32
    assert packed.read_recipe()["front_end"]["n_mels"] == 32
    lives.assert_same(lives.load(audio.last_path)["weights"], lives.load(packed.last_path)["weights"])


@pytest.mark.parametrize("model", ["seed_cnn", "small_cnn"])
def test_batches_of_one_are_refused_with_a_reason(collection: Path, tmp_path: Path, model: str) -> None:
    run = lives.new_run(tmp_path, collection, batch_size=1, model=model)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "batch size of 2" in ending.error


def test_a_recipe_that_is_none(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection)
    lives.change_recipe(run, epochz=3)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "epochz" in ending.error
