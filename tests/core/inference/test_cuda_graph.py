"""Batches for a CUDA device: order, padding, and that whole models can be captured; on the CPU with a fake graph.

What only a GPU can show is in ``test_cuda.py``.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.features.log_mel import _at_full_scale
from core.inference.cuda_graph import EAGER_BATCHES, CudaGraphForward
from core.inference.find_model import default_model
from core.inference.torch_backend import TorchBackend
from core.models.registry import MODEL_NAMES, build_model
from tests.support.fake_cuda import fake_cuda  # noqa: F401
from tests.support.small_model import FRONT_END, shared_model

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("fake_cuda")


def sums(wave_BN: Tensor) -> Tensor:
    """Three numbers of each window."""
    return torch.stack([wave_BN.sum(1), wave_BN.amax(1), wave_BN[:, 0]], dim=1)


def forward_of(network: Any = sums, most: int = 6) -> CudaGraphForward:
    return CudaGraphForward(network, CPU, most=most, samples=4, columns=3)


def windows(count: int, first: float = 0.0) -> np.ndarray:
    return np.arange(first, first + 4 * count, dtype=np.float32).reshape(count, 4)


def expected(*waves_BN: np.ndarray) -> Tensor:
    return sums(torch.from_numpy(np.concatenate(waves_BN)))


def test_every_window_gets_its_own_values_before_and_after_capturing() -> None:
    forward = forward_of()
    for turn in range(EAGER_BATCHES + 3):
        for counts in ((1,), (2, 1), (1, 1, 3), (6,), (2,), (4,)):
            waves = [windows(count, first=100 * turn + 10 * i) for i, count in enumerate(counts)]
            assert torch.equal(forward(waves), expected(*waves))
    # 3 is padded to 4, and 5 to the largest batch, which is no power of two.
    assert sorted(forward._captured) == [1, 2, 4, 6]
    assert all(captured.graph.replays for captured in forward._captured.values())  # type: ignore[attr-defined]


def test_values_stay_when_the_next_batch_uses_the_same_memory() -> None:
    forward = forward_of()
    kept = [forward([windows(4, first=n)]) for n in range(EAGER_BATCHES + 4)]
    for n, values_BX in enumerate(kept):
        assert torch.equal(values_BX, expected(windows(4, first=n)))


def test_threads_share_the_device_and_get_their_own_values() -> None:
    forward = forward_of()

    def one(n: int) -> bool:
        wave_BN = windows(1 + n % 6, first=n)
        return torch.equal(forward([wave_BN]), expected(wave_BN))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(300)))
    assert forward._free.qsize() == 4  # every buffer came back


def test_a_network_that_cannot_be_captured_runs_eagerly_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    def waits(wave_BN: Tensor) -> Tensor:
        return sums(wave_BN) * (1.0 if float(wave_BN.sum()) >= 0 else -1.0)

    forward = forward_of(waits)
    with caplog.at_level(logging.WARNING):
        for turn in range(EAGER_BATCHES + 3):
            for count in (1, 4):
                assert torch.equal(forward([windows(count, first=turn)]), expected(windows(count, first=turn)))
    assert not forward._captured
    [record] = caplog.records
    assert record.getMessage() == (
        "Classifying without CUDA graphs, which is slower: operation not permitted when stream is capturing"
    )


def test_an_error_reaches_the_caller_and_only_it() -> None:
    def fails(wave_BN: Tensor) -> Tensor:
        if len(wave_BN) == 5:
            raise ValueError("five")
        return sums(wave_BN)

    forward = forward_of(fails)
    for _ in range(6):  # more often than there are buffers
        with pytest.raises(ValueError, match="five"):
            forward._eager.clear()
            forward([windows(5)])
    assert torch.equal(forward([windows(2)]), expected(windows(2)))


def sounds(count: int, samples: int) -> np.ndarray:
    """Noise and beats at levels that differ by a factor of a million, and silence."""
    rng = np.random.default_rng(count)
    wave_BN = rng.standard_normal((count, samples)).astype(np.float32)
    wave_BN *= np.where(np.arange(samples) % 2_000 < rng.integers(100, 2_000, (count, 1)), 1, 0.01).astype(np.float32)
    wave_BN *= np.float32(10.0) ** rng.uniform(-7, -1, (count, 1)).astype(np.float32)
    wave_BN[-1] = 0
    return wave_BN


@pytest.mark.parametrize("model", [None, "small_cnn"])
def test_a_replay_computes_what_the_model_does(model: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole path from sound to logits and scores, captured with silence and replayed with other sounds."""
    path = default_model() if model is None else shared_model(model)
    assert path is not None
    backend = TorchBackend(path, "cpu", full_precision=True)
    graph = CudaGraphForward(
        lambda wave_BN: backend.on_device([wave_BN]),
        CPU,
        most=8,
        samples=backend.window_samples,
        columns=len(backend.genres) + 1,
    )
    wave_BN = sounds(5, backend.window_samples)
    logits_BC, ood_score_B = backend.forward(wave_BN)
    backend.on_device([torch.from_numpy(wave_BN)])  # fills the caches, which compiling does not
    # The front end computes as it does on a device.
    monkeypatch.setattr(backend.front_end, "energies", backend.front_end._energies_at_once)
    monkeypatch.setattr(type(backend.front_end), "forward", _as_on_a_device)
    for _ in range(EAGER_BATCHES + 2):
        values_BX = graph([wave_BN[:2], wave_BN[2:]]).double().numpy()
    assert graph._captured[8].graph.replays == 2  # type: ignore[attr-defined]
    np.testing.assert_allclose(values_BX[:, :-1], logits_BC, atol=2e-3)
    np.testing.assert_allclose(values_BX[:, -1], ood_score_B, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def _as_on_a_device(self: Any, wave_BN: Tensor) -> Tensor:
    mel_BMT: Tensor = self._decibels(self.energies(_at_full_scale(wave_BN)))
    return mel_BMT


class Uploads(TorchDispatchMode):
    """Lists the operations that bring values from the host to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        results = [one for one in tree_leaves(made) if isinstance(one, Tensor)]
        if any(one.is_meta for one in results) and any(not one.is_meta and one.dim() for one in given):
            self.found.append(str(func))
        return made


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_no_model_exchanges_values_with_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device, which has no values: reading one raises an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know this device
    backend = TorchBackend(shared_model(), "cpu", full_precision=True)
    frames = backend.front_end.frames_of(backend.window_samples)
    network = build_model(name, n_mels=FRONT_END.n_mels, genres=4, frames=frames).eval()
    assert backend.ood_detector is not None
    backend.model = network.to("meta")
    backend.front_end.to("meta")
    backend.ood_detector.to("meta")
    wave_BN = torch.zeros(3, backend.window_samples, device="meta")
    with torch.inference_mode():
        assert backend.on_device([wave_BN]).shape == (3, 5)  # fills the caches
        with Uploads() as uploads:
            backend.on_device([wave_BN])
    assert not uploads.found
