"""What experts are fitted to."""

from pathlib import Path

import pytest
import torch
from msgspec import structs

from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.features.settings import AugmentationSettings
from core.models.networks import lda_expert
from core.training.loop.adapt import EXPERT_BATCH, EXPERT_WINDOWS, expert_windows
from core.training.recipe import Recipe
from tests.support import trainer_runs as lives


def test_experts_hear_each_window_as_it_is_and_as_it_could_have_sounded(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = compute_features(scan(collection).clips, lives.FRONT_END)[0].to("cpu")
    tricks = AugmentationSettings(time_mask=1.0, frequency_mask=1.0, mixup=1.0, roll=1.0)
    sound = AugmentationSettings(equaliser=1.0, mixup=1.0)
    seconds = 40 * lives.FRONT_END.hop_length / lives.FRONT_END.sample_rate
    alike = Recipe(
        data=str(collection),
        front_end=lives.FRONT_END,
        augmentation=tricks,
        crop_seconds=seconds / 2,
        fit_seconds=seconds,
    )
    changed = structs.replace(alike, augmentation=sound)
    train = torch.arange(len(features))
    (mel, labels), *_ = expert_windows(alike, features, train, features.device)
    (twice, same_labels), *_ = expert_windows(changed, features, train, features.device)
    assert mel.shape == (EXPERT_BATCH // EXPERT_WINDOWS, EXPERT_WINDOWS, 32, 40)
    assert twice.shape == (EXPERT_BATCH // EXPERT_WINDOWS, 2 * EXPERT_WINDOWS, 32, 40)
    assert torch.equal(labels, features.labels[: len(labels)]) and torch.equal(labels, same_labels)
    assert torch.equal(twice[:, :EXPERT_WINDOWS], mel)
    # An equaliser adds the same to all of a band's frames.
    added = twice[:, EXPERT_WINDOWS:] - mel
    assert (added.std(3) < 1e-4).all() and added.abs().max() > 1
    at_least_a_crop = structs.replace(alike, crop_seconds=seconds, fit_seconds=seconds / 2)
    assert next(expert_windows(at_least_a_crop, features, train, features.device))[0].shape[3] == 40
    whole = structs.replace(alike, fit_seconds=1000.0)
    assert next(expert_windows(whole, features, train, features.device))[0].shape[3] == lives.FRONT_END.frames
    monkeypatch.setattr(lda_expert, "EXPERT_CLIPS", 3)
    few = torch.cat([labels for _, labels in expert_windows(alike, features, train, features.device)])
    assert few.tolist() == features.labels[[0, (len(train) - 1) // 2, len(train) - 1]].tolist()
