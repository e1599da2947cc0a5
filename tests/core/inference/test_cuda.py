"""Classifying on a CUDA GPU with captured graphs; skipped where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.inference.cuda_graph import EAGER_BATCHES, CudaGraphForward
from core.inference.find_model import default_model
from core.inference.torch_backend import TorchBackend
from core.inference.types import Prediction
from core.models.registry import MODEL_NAMES, build_model
from tests.support.small_model import FRONT_END, GENRES, a_sound, shared_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")


def noise(count: int, samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, samples)).astype(np.float32) * 10.0 ** rng.uniform(-4, 0, (count, 1)).astype("f4")


def captured_in(backend: TorchBackend) -> list[int]:
    assert backend._graph is not None and backend._graph._can_capture
    return sorted(backend._graph._captured)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_is_captured_and_computes_what_it_does_eagerly(name: str) -> None:
    torch.manual_seed(0)
    backend = TorchBackend(shared_model(), "cuda")
    frames = backend.front_end.frames_of(backend.window_samples)
    network = build_model(name, n_mels=FRONT_END.n_mels, genres=len(GENRES), frames=frames).eval()
    backend.model = network.to(backend.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    eager = [backend.forward(noise(3, backend.window_samples, seed)) for seed in range(EAGER_BATCHES)]
    for seed, (logits_BC, ood_score_B) in enumerate(eager):
        again_BC, score_again_B = backend.forward(noise(3, backend.window_samples, seed))
        np.testing.assert_allclose(again_BC, logits_BC, rtol=5e-3, atol=5e-3)
        np.testing.assert_allclose(score_again_B, ood_score_B, rtol=5e-3)
    assert captured_in(backend) == [4]


def test_captured_batches_of_all_sizes_give_the_cpus_values() -> None:
    path = default_model()
    assert path is not None
    there, here = TorchBackend(path, "cuda"), TorchBackend(path, "cpu", full_precision=True)
    for count in (1, 3, 20, 100, 300):
        wave_BN = noise(count, there.window_samples, count)
        expected = here.forward(wave_BN)
        for _ in range(EAGER_BATCHES + 2):
            for ours, theirs in zip(there.forward(wave_BN[:1], wave_BN[1:]), expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=5e-2, atol=5e-2)
    assert captured_in(there) == [1, 4, 32, 64, 128]


def test_a_replay_waits_only_for_its_own_values() -> None:
    backend = TorchBackend(shared_model(), "cuda")
    wave_BN = noise(5, backend.window_samples)
    for _ in range(EAGER_BATCHES + 1):
        expected = backend.forward(wave_BN)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = backend.forward(wave_BN)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_that_synchronises_runs_eagerly(caplog: pytest.LogCaptureFixture) -> None:
    def synchronises(wave_BN: Tensor) -> Tensor:
        return torch.full_like(wave_BN[:, :1], float(wave_BN.sum()))

    forward = CudaGraphForward(synchronises, torch.device("cuda", 0), most=4, samples=8, columns=1)
    for number in range(EAGER_BATCHES + 3):
        values_BX = forward([np.full((1, 8), number, dtype=np.float32)])
        assert values_BX.tolist() == [[8.0 * number]]
    assert len(caplog.records) == 1


def test_many_threads_classify_files_as_a_cpu_does() -> None:
    files: list[Path] = [a_sound(genre, number) for genre in GENRES for number in range(6)] * 4
    results = {}
    for device in ("cpu", "cuda"):
        classifier = Classifier.load(shared_model(), device)
        results[device] = list(classify_files(classifier, files, jobs=4))
    assert isinstance(classifier.network, TorchBackend) and captured_in(classifier.network)
    for ours, theirs in zip(results["cuda"], results["cpu"], strict=True):
        assert isinstance(ours, Prediction) and isinstance(theirs, Prediction)
        assert (ours.path, ours.genre) == (theirs.path, theirs.genre)
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-2)


def test_nearest_clips_are_found_after_capturing() -> None:
    path = default_model()
    assert path is not None
    sound = a_sound(GENRES[0])
    there, here = Classifier.load(path, "cuda"), Classifier.load(path, "cpu")
    for _ in range(EAGER_BATCHES + 2):
        there.classify_file(sound)
    assert there.classify_file(sound, nearest=1).nearest == here.classify_file(sound, nearest=1).nearest
