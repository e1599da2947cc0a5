"""One network for everybody: the same interface, with what goes through it batched across callers."""

from collections.abc import Callable

import torch

from core.inference.backend import Backend
from core.inference.torch_backend import Network
from core.server.inference.batcher import Batcher, Measured, Waveform
from core.util.parallel import cores


class BatchedBackend:
    """Stands in for another network in a classifier. `measure` blocks: call it from threads only."""

    def __init__(self, network: Backend, on_batch: Callable[[int, int, float], None]) -> None:
        self.settings, self.calibration = network.settings, network.calibration
        self.genres, self.name, self.device = network.genres, network.name, network.device
        self.window_samples = network.window_samples
        threads = 1
        if isinstance(network, Network) and network.device.type == "cpu":
            # Parallel batches beat parallel arithmetic: the matrices of a few windows are small.
            threads = cores()
            torch.set_num_threads(1)
        self._batcher = Batcher(network.measure, threads=threads, on_batch=on_batch)

    def measure(self, wave_BN: Waveform) -> Measured:
        """As `Backend.measure`."""
        return self._batcher.measure(wave_BN)

    def close(self) -> None:
        self._batcher.close()
