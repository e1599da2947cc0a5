"""The model that comes with the program: small, safe to load, and the same on audio as on what it was trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.audio.files.decode import decode
from core.features.log_mel import FrontEnd, dequantise
from core.inference.classifier import Classifier
from core.inference.find_model import default_model
from core.inference.torch_backend import TorchBackend
from core.training.checkpoint import load_model
from core.training.loop.precision import has_bfloat16
from tests.support.paths import DATA

ARCHIVE, AUDIO = DATA / "gtzan-logmel/gtzan-logmel.npz", DATA / "gtzan-mini/genres"


@pytest.fixture(scope="module")
def path() -> Path:
    found = default_model()
    assert found is not None
    return found


def test_is_small_and_has_a_card(path: Path) -> None:
    assert path.stat().st_size < 7_000_000
    card = path.with_name("model_card.md").read_text(encoding="utf-8")
    assert "95% interval" in card
    assert load_model(path, torch.device("cpu")).recipe.model in card


def test_classifies_at_once(path: Path) -> None:
    beats = np.random.default_rng(0).standard_normal(22_050 * 4).astype(np.float32) * (np.arange(88_200) % 11_025 < 900)
    prediction = Classifier.load(path, device="cpu").classify_array(beats, 22_050)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)  # each is rounded to a millionth
    assert len(prediction.probabilities) == 10


@pytest.mark.skipif(not (ARCHIVE.exists() and AUDIO.exists()), reason="needs the shared data")
def test_audio_and_archive_give_the_same_predictions(path: Path) -> None:
    trained = load_model(path, torch.device("cpu"))
    front_end = FrontEnd(trained.front_end)
    archive = dict(np.load(ARCHIVE))
    rows = {name: i for i, name in enumerate(archive["name"].tolist())}
    agreed, clips = 0, 0
    for genre in sorted(folder for folder in AUDIO.iterdir() if folder.is_dir()):
        files = [file for file in sorted(genre.glob("*.au")) if file.stem in rows][:2]
        for file in files:
            wave, rate = decode(file)
            assert rate == trained.front_end.sample_rate
            # The archive's first column lies a little after the clip's beginning; its last ones are of a longer clip.
            heard = front_end(torch.from_numpy(wave[512:])[None])[0]
            frames = heard.shape[1] - 2
            stored = dequantise(torch.from_numpy(archive["X"][rows[file.stem]]), trained.front_end.top_db)[:, :frames]
            heard = heard[:, :frames]
            with torch.no_grad():
                both = trained.model(torch.stack([stored, heard])).argmax(1)
            agreed += int(both[0] == both[1])
            clips += 1
    assert clips >= 10
    assert agreed >= 0.9 * clips


@pytest.mark.skipif(not AUDIO.exists(), reason="needs the shared data")
@pytest.mark.skipif(not has_bfloat16(torch.device("cpu")), reason="this CPU has no bfloat16 arithmetic")
def test_low_precision_changes_no_verdict(path: Path) -> None:
    fast = Classifier(TorchBackend(path, "cpu"), "model")
    exact = Classifier(TorchBackend(path, "cpu", full_precision=True), "model")
    for file in sorted(AUDIO.rglob("*.au"))[::6]:
        one, other = fast.classify_file(file), exact.classify_file(file)
        assert (one.genre, one.reason) == (other.genre, other.reason)
        assert one.probabilities == pytest.approx(other.probabilities, abs=2e-3)
        for short, long in zip(one.segments, other.segments, strict=True):
            assert (short.genre, short.reason) == (long.genre, long.reason)
            assert short.probabilities == pytest.approx(long.probabilities, abs=1e-2)
