"""The preset best trains on whatever features there are, without a setting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from core.dataset.pack import import_archive
from core.features.settings import FrontEndSettings
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.training.evaluation.crossval import load, train_all_epochs
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model
from core.training.presets import preset

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
    loader, clips = BatchLoader(features, recipe.input_frames, features.device), torch.arange(len(features))
    state = train_all_epochs(recipe, loader, clips)
    result = evaluate_model(state.eval_model, loader, clips, crops=recipe.test_crops, precision=state.precision)
    assert result.logits.isfinite().all()
    assert result.accuracy > 1.5 / genres
    assert isinstance(state.eval_model, EnsembleCNN)
    assert state.eval_model.describe()["network_weight"] == pytest.approx(0.25)  # too few clips to choose another


def test_windows_are_lengths_of_time() -> None:
    """At the hop of the preset crops last 5 s and experts are fitted to 7.5 s, at a third of it as well."""
    recipe = preset("best", "")
    for hop in (recipe.front_end.hop_length, recipe.front_end.hop_length // 3):
        finer = replace(recipe, front_end=replace(recipe.front_end, hop_length=hop))
        frame = finer.front_end.frame_seconds
        assert finer.input_frames * frame == pytest.approx(5.0, abs=0.05)
        assert finer.fit_frames * frame == pytest.approx(7.5, abs=0.05)
