"""A run with an encoder, from sound to a model that classifies like any other."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import torch
from msgspec.structs import replace

from core.dataset.load import load_features
from core.dataset.scan import scan
from core.export.onnx_file import export_onnx
from core.features.settings import EncoderSettings
from core.inference.classifier import Classifier
from core.inference.workers.file_worker import Classified, Classify, FileWorker, Load
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.journal.events import RunFailed, RunFinished
from core.training.checkpoint import load_model
from core.training.evaluation.evaluate import embedded, evaluate, logits_of
from core.training.presets import preset, with_encoder
from core.training.recipe import Recipe, from_dict, to_dict
from core.training.run.trainer import check_resumable
from core.util.errors import UserError
from core.util.jsonl_process import path_to_json
from tests.support.encoders import install_random_musicnn
from tests.support.trainer_runs import train
from tui import cli
from tui.shell.printing import DONE, FAILED, USAGE

RATE, SECONDS = 16_000, 6.0


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of six clips: low notes, and high ones, in noise."""
    folder = tmp_path_factory.mktemp("encoder")
    random, t = np.random.default_rng(0), np.arange(round(SECONDS * RATE)) / RATE
    for genre, pitch in (("low", 110.0), ("high", 1500.0)):
        (folder / "sounds" / genre).mkdir(parents=True)
        for i in range(6):
            note = np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * t) * np.cos(random.uniform(2, 9) * t)
            y = 0.5 * note + 0.05 * random.standard_normal(len(t))
            soundfile.write(folder / "sounds" / genre / f"{genre}.{i}.wav", y, RATE, subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def encoder(places: Path) -> Iterator[EncoderSettings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENRE_TUI_CACHE", str(places / "cache"))
        yield install_random_musicnn(patch)


@pytest.fixture(autouse=True)
def cache(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(places / "cache"))


def recipe(places: Path, encoder: EncoderSettings) -> Recipe:
    chosen = with_encoder(preset("quick", str(places / "sounds")), encoder)
    return replace(chosen, epochs=2, device="cpu", spectrograms=False)


@pytest.fixture(scope="module")
def run(places: Path, encoder: EncoderSettings) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENRE_TUI_CACHE", str(places / "cache"))
        run = create(places / "runs", to_dict(recipe(places, encoder)), "sounds", "encoder")
        assert isinstance(train(run), RunFinished)
    return run


def test_a_missing_encoder_matters_only_without_its_embeddings(
    places: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_resumable(run)
    cache = places / "cache"
    (cache / "encoders").rename(cache / "away")
    notes: list[str] = []
    try:
        check_resumable(run)
        evaluate(run.best_model_path, places / "sounds", part="all", device="cpu", on_note=notes.append)
        assert any("encoder musicnn is not on this machine: the embeddings come from the feature" in n for n in notes)
        monkeypatch.setenv("GENRE_TUI_CACHE", str(places / "empty"))
        with pytest.raises(UserError, match="encoder musicnn is not installed"):
            check_resumable(run)
    finally:
        (cache / "away").rename(cache / "encoders")


def test_the_recipe_travels_and_says_which_encoder(places: Path, encoder: EncoderSettings) -> None:
    chosen = recipe(places, encoder)
    assert from_dict(to_dict(chosen)) == chosen
    assert chosen.front_end.sample_rate == 16_000 and chosen.input_frames == 39 and chosen.test_crops == 10


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "small_cnn"}, "takes no encoder"),
        ({"encoder": None}, "needs an encoder"),
        ({"augmentation": preset("best", "").augmentation}, "cannot be combined"),
        ({"front_end": preset("quick", "").front_end}, "sample_rate must be 16000"),
    ],
)
def test_a_recipe_that_does_not_fit_its_encoder_is_refused(
    places: Path, encoder: EncoderSettings, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        replace(recipe(places, encoder), **changes)


def test_the_model_and_its_report_name_the_encoder(run: RunFolder, encoder: EncoderSettings) -> None:
    assert load_model(run.best_model_path, torch.device("cpu")).recipe.encoder == encoder
    report = run.report_text_path.read_text()
    assert f"encoder: musicnn (SHA-256 {encoder.sha256[:12]})" in report
    assert "parts of its head on inner folds" in report


def test_classification_is_what_training_evaluates(run: RunFolder, places: Path) -> None:
    """A clip of two windows gives the classifier the logits that evaluation has for it, to the store's precision."""
    trained = load_model(run.best_model_path, torch.device("cpu"))
    found = scan(places / "sounds")
    features = load_features(found, trained.front_end)[0]
    logits = logits_of(trained, embedded(features, found.root, trained, "first", torch.device("cpu")), [0, 7])
    classifier = Classifier.load(run.best_model_path, "cpu")
    for clip, expected in zip((features.clips[0], features.clips[7]), logits, strict=True):
        probabilities = classifier.classify_file(clip.path).probabilities
        wanted = dict(zip(trained.genres, torch.softmax(expected / trained.temperature, 0).tolist(), strict=True))
        assert probabilities == pytest.approx(wanted, abs=0.05)


def test_evaluate_and_a_short_sound_work(run: RunFolder, places: Path) -> None:
    facts = evaluate(run.best_model_path, places / "sounds", part="all", device="cpu")
    assert facts["clips"] == 12 and facts["accuracy"] > 0.8
    classifier = Classifier.load(run.best_model_path, "cpu")
    y, rate = soundfile.read(places / "sounds" / "high" / "high.0.wav", dtype="float32")
    assert classifier.window_seconds == pytest.approx(3.008)
    assert len(classifier.classify_array(y[:rate], rate).segments) == 1


def test_a_file_is_compared_with_the_training_clips_by_their_embeddings(
    run: RunFolder, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = load_model(run.best_model_path, torch.device("cpu"))
    names = trained.dataset.parts["train"].name
    files = [str(places / "sounds" / f"{name}.wav") for name in names]
    assert cli.main(["classify", *files, "--model", str(run.path), "--json", "--nearest", "3"]) == DONE
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    nearest = [[f"{clip['genre']}/{clip['name']}" for clip in answer["nearest"]] for answer in answers]
    assert [near[0] for near in nearest] == names
    loaded = Load(path_to_json(run.best_model_path), "cpu")
    shown = FileWorker().answer(Classify(path_to_json(Path(files[0])), loaded))  # by the Classify screen
    assert isinstance(shown, Classified)
    assert [msgspec.structs.asdict(clip) for clip in shown.prediction.nearest[:3]] == answers[0]["nearest"]
    genres = [[clip["genre"] for clip in answer["nearest"]] for answer in answers]
    assert genres == [3 * [name.split("/")[0]] for name in names]


@pytest.mark.slow
def test_the_exported_model_holds_the_encoder(
    run: RunFolder, places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    export_onnx(run.best_model_path, "model", tmp_path / "model.onnx")
    here = Classifier.load(run.best_model_path, "cpu")
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "empty"))
    there = Classifier.load(tmp_path / "model.onnx")
    for name in ("low", "high"):
        file = places / "sounds" / name / f"{name}.1.wav"
        expected = here.classify_file(file)
        answer = there.classify_file(file)
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-3)
        assert answer.uncertain == expected.uncertain


def test_without_its_encoder_a_model_says_how_to_get_it(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "empty"))
    with pytest.raises(UserError, match="download it with genre-tui encoders get musicnn"):
        Classifier.load(run.best_model_path, "cpu")


def test_a_run_without_its_encoder_fails_with_the_same_sentence(
    places: Path, encoder: EncoderSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "empty"))
    ending = train(create(tmp_path / "runs", to_dict(recipe(places, encoder)), "sounds", "encoder"))
    assert isinstance(ending, RunFailed) and "genre-tui encoders get musicnn" in ending.error
    assert not ending.traceback


def test_the_command_refuses_what_cannot_be(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "empty"))
    data = str(places / "sounds")
    assert cli.main(["train", data, "--encoder", "musicnn", "--model", "small_cnn"]) == USAGE
    assert "takes no --model" in capsys.readouterr().err
    assert cli.main(["train", data, "--encoder", "musicnn", "--runs", str(tmp_path / "runs")]) == FAILED
    assert "genre-tui encoders get musicnn" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
