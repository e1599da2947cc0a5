"""What an exported model answers is what PyTorch answers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from core.audio.files.decode import decode
from core.export.onnx_file import RealFrontEnd, export_onnx
from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.inference import Classifier, Prediction
from core.inference.decision import softmax
from core.inference.find_model import default_model
from core.inference.onnx_backend import INPUT, PROBABILITIES, OnnxBackend
from core.inference.torch_backend import TorchBackend
from core.models.registry import MODEL_NAMES, build_model
from tests.support.paths import GTZAN_MINI
from tests.support.small_model import GENRES, a_sound, shared_model

Exported = Callable[[str], Path]
CLOSE = 1e-4


def assert_same(one: Prediction, other: Prediction) -> None:
    assert (one.genre, one.uncertain, one.reason) == (other.genre, other.uncertain, other.reason)
    assert [s.genre for s in one.segments] == [s.genre for s in other.segments]
    assert other.probabilities == pytest.approx(one.probabilities, abs=CLOSE)
    for a, b in zip(one.segments, other.segments, strict=True):
        assert b.probabilities == pytest.approx(a.probabilities, abs=CLOSE)


@pytest.mark.parametrize("network", MODEL_NAMES)
def test_every_network_can_be_exported_for_batches_of_any_size(network: str) -> None:
    model = build_model(network, n_mels=32, genres=4, frames=64).eval()
    program = torch.export.export(
        model, (torch.zeros(2, 32, 64),), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
    )
    mel_BMT = torch.randn(5, 32, 64)
    torch.testing.assert_close(program.module()(mel_BMT), model(mel_BMT))


@pytest.mark.parametrize("network", ["small_cnn", "seed_cnn", "cnn_attention"])  # an export takes many seconds
def test_every_kind_of_network_says_the_same_as_in_pytorch(onnx: Exported, network: str) -> None:
    here, there = Classifier.load(shared_model(network), "cpu"), Classifier.load(onnx(network))
    assert (here.genres, here.window_seconds) == (there.genres, there.window_seconds)
    for genre in GENRES:
        assert_same(here.classify_file(a_sound(genre)), there.classify_file(a_sound(genre)))


@pytest.mark.skipif(not GTZAN_MINI.is_dir(), reason="the real clips are not on this machine")
def test_real_clips_get_the_same_verdicts(tmp_path: Path) -> None:
    """From the model that ships, where one does."""
    model, exported = default_model() or shared_model(), tmp_path / "model.onnx"
    export_onnx(model, "model", exported)
    here, there = Classifier(TorchBackend(model, "cpu", full_precision=True), "model"), Classifier.load(exported)
    clips = sorted(GTZAN_MINI.rglob("*.au"))[::8]
    assert len(clips) >= 10
    for clip in clips:
        assert_same(here.classify_file(clip), there.classify_file(clip))


def test_silence_and_noise_are_as_uncertain(onnx: Exported) -> None:
    here, there = Classifier.load(shared_model(), "cpu"), Classifier.load(onnx("small_cnn"))
    for y in (np.zeros(80_000, np.float32), np.random.default_rng(0).normal(0, 0.1, 80_000).astype(np.float32)):
        one, other = here.classify_array(y, 11_025), there.classify_array(y, 11_025)
        assert one.uncertain
        assert_same(one, other)


@pytest.mark.parametrize("network", ["small_cnn", "seed_cnn"])
@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.9])
def test_a_sound_shorter_than_a_window_is_classified_alike(onnx: Exported, network: str, seconds: float) -> None:
    here, there = Classifier.load(shared_model(network), "cpu"), Classifier.load(onnx(network))
    for genre in GENRES:
        y, rate = decode(a_sound(genre))
        one, other = (model.classify_array(y[: round(seconds * rate)], rate) for model in (here, there))
        assert len(other.segments) == 1
        assert other.duration_s == pytest.approx(seconds, abs=1e-3)
        assert one.genre == other.genre
        assert other.probabilities == pytest.approx(one.probabilities, abs=CLOSE)


def test_other_programs_get_calibrated_probabilities_from_a_waveform(onnx: Exported) -> None:
    """No front end, no softmax and no temperature to be known of."""
    network = TorchBackend(shared_model(), "cpu")
    session = onnxruntime.InferenceSession(str(onnx("small_cnn")))
    for count in (1, 3, 20):
        wave_BN = np.random.default_rng(count).normal(0, 0.1, (count, network.window_samples)).astype(np.float32)
        (probabilities,) = session.run([PROBABILITIES], {INPUT: wave_BN})
        logits, _ = network.forward(wave_BN)
        expected = [softmax(row / network.calibration.temperature) for row in logits]
        np.testing.assert_allclose(probabilities, expected, atol=CLOSE)


@pytest.mark.parametrize(
    "settings",
    [
        FrontEndSettings(),
        FrontEndSettings(hop_length=1709, mel_scale="slaney", mel_norm="slaney", top_db=80.0),
        FrontEndSettings(sample_rate=16_000, n_fft=512, hop_length=160, n_mels=40, power=1.0),
    ],
)
def test_the_real_valued_front_end_gives_the_same_decibels(settings: FrontEndSettings) -> None:
    t = torch.arange(3 * settings.sample_rate) / settings.sample_rate
    wave_BN = torch.stack([torch.sin(2 * torch.pi * (100 * t + 600 * t**2)), torch.randn(len(t)), 0 * t])
    wave_BN[0] += 1e-3 * torch.randn(len(t))
    here, there = FrontEnd(settings)(wave_BN), RealFrontEnd(settings)(wave_BN)
    assert here.shape == there.shape
    # Deep below the maximum lie the rounding errors of both.
    heard = here > -60
    assert (here - there).abs()[heard].max() < 0.02
    assert (here - there).abs().mean() < 0.02


def test_the_description_travels_with_the_model(onnx: Exported) -> None:
    network = OnnxBackend(onnx("small_cnn"))
    original = TorchBackend(shared_model("small_cnn"), "cpu")
    assert network.settings == original.settings
    assert network.calibration == original.calibration
    assert (network.name, network.genres) == ("small_cnn", original.genres)
