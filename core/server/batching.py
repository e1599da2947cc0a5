"""Dynamic batching: windows of several clients are run through the network together.

Every caller blocks in its own thread, so uploads and live sockets use the ordinary classifier; only the network is
shared.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import torch

from core.inference.backend import Backend, Values, Waveform
from core.inference.torch_backend import TorchBackend
from core.util.parallel import cores

Measured = tuple[Values, Values]
Measure = Callable[..., Measured]
"""Maps any number of arrays of windows, (B, N) of one length, to values with a row for each window."""


@dataclass
class _Job:
    wave_BN: Waveform
    answer: Future[Measured] = field(default_factory=Future)


WAIT_SECONDS = 0.004


class Batcher:
    """Collects windows for at most `WAIT_SECONDS`, or until there are ``most``, then runs them as one batch."""

    def __init__(
        self,
        measure: Measure,
        *,
        threads: int = 1,
        most: int = 32,
        on_batch: Callable[[int, int, float], None] = lambda windows, jobs, seconds: None,
    ) -> None:
        """Args:
        measure: a backend's ``forward``.
        threads: batches in parallel: one on an accelerator, one per core on a CPU.
        on_batch: called after every batch with its number of windows, number of callers, and seconds.
        """
        self._measure, self._most, self._on_batch = measure, most, on_batch
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"batch-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def forward(self, *waves_BN: Waveform) -> Measured:
        """Run windows (B, N) of one length and block for the result. Never call it on the event loop."""
        # In pieces, so that a long file does not block the other clients.
        jobs = [_Job(wave_BN[i : i + self._most]) for wave_BN in waves_BN for i in range(0, len(wave_BN), self._most)]
        answers = []
        for job in jobs:
            self._jobs.put(job)
            answers.append(job.answer.result())
        return np.concatenate([logits for logits, _ in answers]), np.concatenate([other for _, other in answers])

    def close(self) -> None:
        """Finish the pending windows, then stop."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        held: _Job | None = None
        while True:
            first = held or self._jobs.get()
            if first is None:
                return
            batch, held, ending = self._gather(first)
            self._answer(batch)
            if ending:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], _Job | None, bool]:
        """Returns a batch, the job that did not fit into it, and whether the batcher should stop."""
        batch, windows = [first], len(first.wave_BN)
        deadline = time.monotonic() + WAIT_SECONDS
        while windows < self._most:
            try:
                job = self._jobs.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                return batch, None, True
            if windows + len(job.wave_BN) > self._most or job.wave_BN.shape[1] != first.wave_BN.shape[1]:
                return batch, job, False
            batch.append(job)
            windows += len(job.wave_BN)
        return batch, None, False

    def _answer(self, batch: list[_Job]) -> None:
        began = time.monotonic()
        try:
            logits_BC, ood_score_B = self._measure(*(job.wave_BN for job in batch))
        except Exception as error:  # the callers receive it, and the next batch runs
            for job in batch:
                job.answer.set_exception(error)
            return
        self._on_batch(len(logits_BC), len(batch), time.monotonic() - began)
        row = 0
        for job in batch:
            end = row + len(job.wave_BN)
            job.answer.set_result((logits_BC[row:end], ood_score_B[row:end]))
            row = end


class BatchedBackend:
    """A `Backend` whose windows share batches with others'. `forward` blocks: never call it on the event loop."""

    def __init__(self, network: Backend, on_batch: Callable[[int, int, float], None]) -> None:
        self.settings, self.calibration = network.settings, network.calibration
        self.genres, self.name, self.device = network.genres, network.name, network.device
        self.window_samples = network.window_samples
        threads = 1
        if isinstance(network, TorchBackend) and network.device.type == "cpu":
            # Parallel batches are faster than parallelism inside operators, because the matrices are small.
            threads = cores()
            torch.set_num_threads(1)
        self._batcher = Batcher(network.forward, threads=threads, on_batch=on_batch)

    def forward(self, *waves_BN: Waveform) -> Measured:
        """As `Backend.forward`."""
        return self._batcher.forward(*waves_BN)

    def close(self) -> None:
        self._batcher.close()
