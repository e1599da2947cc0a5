"""The network counts beside its experts as much as clips say that neither has learnt from."""

from pathlib import Path

import pytest
import torch
from msgspec import structs

from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.training.evaluation.crossval import train_all_epochs
from core.training.loop import weigh
from core.training.loop.adapt import inner_folds
from core.training.loop.evaluation import Evaluation
from core.training.loop.loader import Windows, random_windows
from core.training.loop.weigh import FEWEST_CLIPS, HeldOut, hold_out
from core.training.presets import preset
from core.training.recipe import Recipe
from tests.support import trainer_runs as lives

CLIPS = 100


def held_out(logits: torch.Tensor) -> HeldOut:
    return HeldOut(1, torch.arange(CLIPS), torch.arange(CLIPS), logits.double())


def model() -> EnsembleCNN:
    network = EnsembleCNN(n_mels=16, genres=2, frame_seconds=0.08, width=4)
    network.experts.settings[4:7] = 1.0
    return network


def test_who_knows_more_counts_more() -> None:
    torch.manual_seed(0)
    labels = torch.arange(CLIPS) % 2
    right = torch.nn.functional.one_hot(labels, 2) * 2.0 + torch.randn(CLIPS, 2)
    noise = torch.randn(CLIPS, 2)
    knowing, guessing = model(), model()
    weigh.weigh([knowing], held_out(noise), Evaluation(right, labels))
    weigh.weigh([guessing], held_out(right), Evaluation(noise, labels))
    shares = [float(one.network_weight / one.experts.settings[4]) for one in (knowing, guessing)]
    assert shares[0] > 0.6 and shares[1] < 0.3  # instead of 0.4
    # Experts keep the scale that all folds gave them, although they are right more often in this one.
    assert float(guessing.experts.settings[4]) == pytest.approx(1.0, abs=0.15)
    assert guessing.describe()["network_weight"] == pytest.approx(float(guessing.network_weight), abs=1e-6)


def test_the_default_makes_the_sum_less_certain_and_leaves_experts_alone_as_they_are() -> None:
    together, alone = model(), EnsembleCNN(n_mels=16, genres=2, frame_seconds=0.08, width=4, network_weight=0.0)
    alone.experts.settings[4:7] = 1.0
    for one in (together, alone):
        one.weigh_by_default()
    assert together.experts.settings[4:7].tolist() == pytest.approx([1 / (1 + 0.4 * 2 / 3)] * 3)
    assert float(together.network_weight) == pytest.approx(0.4 / (1 + 0.4 * 2 / 3))
    assert alone.experts.settings[4:7].tolist() == [1.0] * 3 and float(alone.network_weight) == 0


def test_a_fifth_of_the_folds_is_held_out_and_epochs_stay_as_long() -> None:
    train_clips = torch.arange(10, 10 + 5 * FEWEST_CLIPS)
    folds = torch.arange(len(train_clips)) % 5
    judged = train_clips[::2]
    few = hold_out(12, folds, train_clips, judged, torch.zeros(len(judged), 2))
    assert few is None
    held = hold_out(12, folds, train_clips, train_clips, torch.arange(len(train_clips) * 2.0).view(-1, 2))
    assert held is not None and held.epochs == 12
    assert len(held.others_N) == len(train_clips) and set(held.others_N.tolist()) == set(
        (folds < 4).nonzero()[:, 0].tolist()
    )
    assert held.clips.tolist() == train_clips[folds == 4].tolist()
    assert torch.equal(held.expert_logits_NC[:, 0], 2.0 * (held.clips - 10))
    assert hold_out(0, folds, train_clips, train_clips, torch.zeros(len(train_clips), 2)) is None
    finer = torch.arange(len(train_clips)) % 10
    held = hold_out(12, finer, train_clips, train_clips, torch.zeros(len(train_clips), 2))
    assert held is not None and held.clips.tolist() == train_clips[finer >= 8].tolist()


def test_a_training_holds_a_fold_out_then_weighs_and_uses_all_clips(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = compute_features(scan(collection).clips, lives.FRONT_END)[0].to("cpu")
    recipe: Recipe = structs.replace(
        preset("best", str(collection)),
        front_end=lives.FRONT_END,
        crop_seconds=0.5,
        least_crop_frames=0,
        fit_seconds=None,
        model_options={"width": 4, "memory": 4},
        epochs=4,
        weigh_after=0.5,
        device="cpu",
    )
    monkeypatch.setattr(weigh, "FEWEST_CLIPS", 1)
    drawn: list[set[int]] = []

    def recorded(clips: torch.Tensor, *rest: object) -> Windows:
        drawn.append(set(clips.tolist()))
        windows: Windows = random_windows(clips, *rest)  # type: ignore[arg-type]
        return windows

    monkeypatch.setattr("core.training.loop.train.random_windows", recorded)
    clips = torch.arange(len(features))
    folds = inner_folds(features.clips)
    state = train_all_epochs(recipe, features, clips)
    held = set(clips[folds >= 8].tolist())
    everything = set(clips.tolist())
    assert held and drawn == [everything - held] * 2 + [everything] * 2
    assert isinstance(state.model, EnsembleCNN) and isinstance(state.eval_model, EnsembleCNN)
    assert (
        float(state.model.network_weight)
        == float(state.eval_model.network_weight)
        != pytest.approx(0.4 / (1 + 0.4 * 2 / 3))
    )
    copy = EnsembleCNN(n_mels=32, genres=len(features.genres), frame_seconds=0.02, width=4, memory=4)
    copy.load_state_dict(state.eval_model.state_dict())
    assert copy.describe() == state.eval_model.describe()
