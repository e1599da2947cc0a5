"""The preset best trains on whatever features there are, without a setting."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from core.dataset.pack import import_archive
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import FrontEndSettings
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.runs.directory import create
from core.runs.journal.events import ModelBuilt, RunFinished
from core.runs.journal.journal import JournalReader
from core.training.checkpoint import read_model
from core.training.evaluation.crossval import load, train_all_epochs
from core.training.fields import set_value, value_of
from core.training.loop import adapt
from core.training.loop.adapt import FittedExperts
from core.training.loop.init import init_train_state
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model
from core.training.presets import SHORT_WINDOWS, preset, with_short_windows
from core.training.recipe import Recipe, from_dict, to_dict
from core.training.run.trainer import run_trainer

LIKE_BEST = preset("best", "").front_end


def pack(folder: Path, front_end: FrontEndSettings, frames: int, genres: int, each: int) -> Path:
    """Made-up clips, every genre with its own band."""
    rng = np.random.default_rng(0)
    labels = np.arange(genres * each) % genres
    mel = rng.integers(0, 90, (len(labels), front_end.n_mels, frames)).astype(np.uint8)
    for row, label in zip(mel, labels, strict=True):
        row[label * front_end.n_mels // genres] += 120
    names = [f"clip{i:02d}" for i in range(len(labels))]
    np.savez(folder / "archive.npz", X=mel, name=names, genre=[f"genre {label:02d}" for label in labels])
    import_archive(folder / "archive.npz", folder / "pack", None, front_end)
    return folder / "pack"


@pytest.mark.parametrize(
    ("changes", "frames", "genres", "each", "seconds"),
    [
        pytest.param({"hop_length": 1024, "n_mels": 32}, 400, 2, 6, (4.9, 5.1), id="hop 1,024"),
        pytest.param({"hop_length": 5160, "n_mels": 32}, 128, 2, 6, (14.9, 15.1), id="hop 5,160"),
        pytest.param({"n_mels": 32}, 39, 2, 6, (2.9, 3.1), id="clips of 3 s"),
        pytest.param({"n_mels": 32, "hop_length": 5160}, 16, 2, 6, (3.7, 3.8), id="clips of one short window"),
        pytest.param({"n_mels": 64}, 100, 2, 5, (4.9, 5.1), id="5 clips per genre, 64 bands"),
        pytest.param({"n_mels": 8}, 100, 2, 6, (4.9, 5.1), id="8 bands"),
        pytest.param({"n_mels": 32}, 100, 20, 2, (4.9, 5.1), id="20 genres"),
        pytest.param(
            {"n_mels": 32, "mel_scale": "htk", "mel_norm": None, "top_db": 100.0}, 64, 2, 6, (4.9, 5.1), id="htk"
        ),
    ],
)
def test_any_pack_trains(
    tmp_path: Path, changes: dict[str, object], frames: int, genres: int, each: int, seconds: tuple[float, float]
) -> None:
    data = pack(tmp_path, replace(LIKE_BEST, **changes), frames, genres, each)
    features, recipe = load(data, replace(preset("best", str(data)), epochs=1, device="cpu"))
    window = recipe.input_frames * recipe.front_end.frame_seconds
    assert seconds[0] < window < seconds[1]
    assert recipe.fit_frames >= recipe.input_frames
    clips = torch.arange(len(features))
    state = train_all_epochs(recipe, features, clips)
    loader = BatchLoader(features, state.recipe.input_frames, features.device)
    result = evaluate_model(state.eval_model, loader, clips, crops=state.recipe.test_crops, precision=state.precision)
    assert state.batches == math.ceil(len(clips) * state.recipe.crops_of_each(len(clips)) / recipe.batch_size)
    assert state.batches * recipe.batch_size >= 1700  # however few clips there are
    assert result.logits.isfinite().all()
    assert result.accuracy > 1.5 / genres
    assert isinstance(state.eval_model, EnsembleCNN)
    usual = 0.4 / (1 + 0.4 * 2 / 3)
    assert state.eval_model.describe()["network_weight"] == pytest.approx(
        usual, abs=1e-6
    )  # too few clips to choose another


def test_windows_are_lengths_of_time() -> None:
    """At the hop of the preset crops last 5 s and experts are fitted to 7.5 s, at a third of it as well."""
    recipe = preset("best", "")
    for hop in (recipe.front_end.hop_length, recipe.front_end.hop_length // 3):
        finer = replace(recipe, front_end=replace(recipe.front_end, hop_length=hop))
        frame = finer.front_end.frame_seconds
        assert finer.input_frames * frame == pytest.approx(5.0, abs=0.05)
        assert finer.fit_frames * frame == pytest.approx(7.5, abs=0.05)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("choice"), replace(LIKE_BEST, n_mels=32), 100, 2, 6)


def prefer(monkeypatch: pytest.MonkeyPatch, frames: int, by: float) -> None:
    """Make experts on windows of ``frames`` right about every clip, with logits ``by`` apart, and others undecided."""
    fit = adapt.fit_ensemble

    def fit_and_say(
        experts: ExpertEnsemble, recipe: Recipe, features: FeatureSet, train: Tensor, device: torch.device
    ) -> Tensor:
        out_of_fold_IC = fit(experts, recipe, features, train, device)
        assert out_of_fold_IC is not None
        right_IC = torch.nn.functional.one_hot(features.labels[train], 2).double()
        return by * right_IC if recipe.input_frames == frames else torch.zeros_like(out_of_fold_IC)

    monkeypatch.setattr(adapt, "fit_ensemble", fit_and_say)


@pytest.mark.parametrize(("preferred", "crop_seconds"), [(39, 3.0), (65, 5.0)])
def test_experts_choose_the_windows_of_best(
    data: Path, monkeypatch: pytest.MonkeyPatch, preferred: int, crop_seconds: float
) -> None:
    prefer(monkeypatch, preferred, by=1.0)
    features, recipe = load(data, replace(preset("best", str(data)), epochs=1, device="cpu"))
    state = train_all_epochs(recipe, features, torch.arange(len(features)))
    assert (state.recipe.crop_seconds, state.recipe.input_frames) == (crop_seconds, preferred)
    assert not state.recipe.choose_windows
    assert state.recipe.epochs == 1
    assert (state.average is None) == (preferred == 39)  # the settings that go with short windows
    # Experts that were fitted for the choice are those that would be fitted to the chosen windows.
    again = init_train_state(
        state.recipe, BatchLoader(features, preferred, features.device), torch.arange(len(features))
    )
    for name, values in again.model.get_submodule("experts").state_dict().items():
        assert torch.equal(values, state.model.get_submodule("experts").state_dict()[name]), name


def test_windows_within_the_standard_error_stay_as_they_are(data: Path) -> None:
    features, _ = load(data, preset("best", str(data)))
    labels = features.labels.cpu()
    experts = ExpertEnsemble(32, 2, frame_seconds=0.08, memory=1)
    unsure, right = torch.zeros(len(labels), 2).double(), torch.nn.functional.one_hot(labels, 2).double()
    mixed = right.clone()
    mixed[::2] *= -1.0  # better for half of the clips and worse for the other half
    assert adapt._clearly_better(FittedExperts(experts, right), FittedExperts(experts, unsure), labels)
    assert not adapt._clearly_better(FittedExperts(experts, mixed), FittedExperts(experts, unsure), labels)
    assert not adapt._clearly_better(FittedExperts(experts, None), FittedExperts(experts, unsure), labels)


def test_a_setting_that_was_changed_by_hand_leaves_no_choice() -> None:
    recipe = preset("best", "")
    assert recipe.choose_windows
    for name, value in SHORT_WINDOWS.items():
        plain = to_dict(recipe)
        set_value(plain, name, value)
        assert with_short_windows(from_dict(plain)) is None, name
    short = with_short_windows(replace(recipe, epochs=7, seed=3, precision="float32"))
    assert short is not None
    assert (short.epochs, short.seed, short.precision) == (7, 3, "float32")
    for hop_length in (512, 1709, 5160):
        usual = replace(recipe, front_end=replace(recipe.front_end, hop_length=hop_length))
        short = with_short_windows(usual)
        assert short is not None
        assert short.fit_frames == usual.fit_frames  # experts are fitted to the same windows
    assert {name: value_of(to_dict(short), name) for name in SHORT_WINDOWS} == SHORT_WINDOWS


def test_a_run_keeps_the_windows_that_it_chose(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It resumes with them whatever the experts would choose then, and its recipe stays as it was asked for."""
    prefer(monkeypatch, 39, by=1.0)
    asked = replace(preset("best", str(data)), epochs=1, device="cpu", spectrograms=False)
    run = create(tmp_path, to_dict(asked), "made-up", asked.model)
    assert isinstance(run_trainer(run.path), RunFinished)
    trained = read_model(run.best_model_path).recipe
    assert (trained.crop_seconds, trained.choose_windows) == (3.0, False)
    assert b'"window_seconds": 3.0' in run.report_json_path.read_bytes()
    prefer(monkeypatch, 65, by=1.0)
    run.write_recipe(run.read_recipe() | {"epochs": 2})
    assert isinstance(run_trainer(run.path), RunFinished)
    built = [event for event in JournalReader(run.journal_path).read() if isinstance(event, ModelBuilt)]
    assert [event.input_shape[2] for event in built] == [39, 39]
    kept = from_dict(run.read_recipe())
    assert (kept.crop_seconds, kept.choose_windows, kept.epochs) == (5.0, True, 2)
