"""Windows of one or several sounds that go through the network together."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from core.inference.backend import Backend, Waveform
from core.inference.decision import Window
from core.inference.nearest import RememberedClips, Statistics

MOST = 96
"""Windows that are collected: about eight clips of 30 s, 25 MB. More take no less time each."""


class WindowBatch:
    """Collects windows until there are `MOST`, or until they are asked for.

    Fewer and larger batches cost a CPU less per window, and a GPU far less.
    """

    def __init__(self, network: Backend, remembered: RememberedClips | None = None) -> None:
        """
        Args:
            remembered: the network's training clips, if the windows are to be compared with them.
        """
        self._network, self._remembered = network, remembered
        self._waiting: list[tuple[Waveform, list[int], list[Window]]] = []
        self._failure: Exception | None = None

    def add(self, wave_BN: Waveform, starts: list[int], into: list[Window]) -> None:
        """Takes windows (B, N) and the samples at which they begin; once measured, they are appended to ``into``."""
        if not starts:
            return
        if self._waiting and self._waiting[0][0].shape[1] != wave_BN.shape[1]:
            self.measure()  # a sound shorter than a window
        self._waiting.append((wave_BN, starts, into))
        if sum(len(wave_BN) for wave_BN, _, _ in self._waiting) >= MOST:
            self.measure()

    def measure(self) -> None:
        """Measures what has been collected. What the network raises once, every later call raises: windows are lost."""
        if self._failure is not None:
            raise self._failure
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        waves = [wave_BN for wave_BN, _, _ in waiting]
        try:
            with self._remembered.watching() if self._remembered else nullcontext(()) as watched:
                logits_BC, ood_score_B = self._network.forward(*waves)
        except Exception as error:
            self._failure = error
            raise
        row = 0
        statistics = list(np.concatenate(watched)) if watched else [None] * len(logits_BC)
        for wave_BN, starts, into in waiting:
            rows = slice(row, row + len(starts))
            into += self._windows(wave_BN, starts, logits_BC[rows], ood_score_B[rows], statistics[rows])
            row += len(starts)

    def _windows(
        self,
        wave_BN: Waveform,
        starts: list[int],
        logits_BC: np.ndarray,
        ood_score_B: np.ndarray,
        statistics: Sequence[Statistics | None],
    ) -> list[Window]:
        rate, length = self._network.settings.sample_rate, wave_BN.shape[1]
        power_B = [float(wave_N @ wave_N) / length for wave_N in wave_BN]
        level_B = 10 * np.log10(np.maximum(power_B, 1e-20))
        measured = zip(starts, logits_BC, level_B, ood_score_B, statistics, strict=True)
        return [
            Window(start / rate, (start + length) / rate, logits, float(level), float(ood_score), own_F)
            for start, logits, level, ood_score, own_F in measured
        ]
