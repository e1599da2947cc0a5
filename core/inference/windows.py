"""Windows of sound: cut from pieces by the same rule for files and live sources, and collected for the network."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from core.inference.backend import Backend, Waveform
from core.inference.decision import Window
from core.inference.nearest import RememberedClips, Statistics

SHORTEST_REST = 0.5
"""Seconds of sound after the last complete window for which there is another window."""


class WindowCutter:
    """Cuts windows of ``window`` samples every ``hop`` samples.

    The last window ends with the last sample, so only the window of a very short sound is padded. The result does not
    depend on the sizes of the pieces.
    """

    def __init__(self, window: int, hop: int, rest: int) -> None:
        """Args:
        rest: fewest samples after the last complete window for which there is another one.
        """
        if not 0 < hop <= window:
            raise ValueError(f"the hop must be above 0 and at most the window of {window} samples, not {hop}")
        self.window, self.hop, self.rest = window, hop, rest
        self.received = 0
        self._held: Waveform = np.zeros(0, dtype=np.float32)
        self._next = 0

    def push(self, piece: Waveform) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Add a piece; returns the windows that it completes, [W, window], and the sample at which each begins.

        The windows may be a view of ``piece``.
        """
        if not len(piece):
            return np.zeros((0, self.window), dtype=np.float32), []
        # PyTorch warns about read-only arrays, although nothing writes to these.
        held = np.concatenate([self._held, piece]) if len(self._held) else np.require(piece, np.float32, ["C", "W"])
        self.received += len(piece)
        first = self.received - len(held)  # the first sample of the buffer
        starts = list(range(self._next, self.received - self.window + 1, self.hop))
        windows_WN = np.zeros((0, self.window), dtype=np.float32)
        if starts:
            windows_WN = sliding_window_view(held, self.window, writeable=True)[starts[0] - first :: self.hop]
        self._next += self.hop * len(starts)
        # One complete window is kept for the last one.
        keep = min(self._next, max(0, self.received - self.window))
        self._held = held[keep - first :].copy()  # do not keep a view of the caller's array
        return windows_WN, starts

    def finish(self) -> tuple[Waveform, int] | None:
        """The window that ends with the last sample, and its start; it is shorter if the whole sound is.

        None if the complete windows reach the end or nearly so.
        """
        covered = self._next - self.hop + self.window if self._next else 0
        if self.received == 0 or (covered and self.received - covered < self.rest):
            return None
        start = max(0, self.received - self.window)
        return self._held[-min(self.window, self.received) :], start


def repeated(wave_BN: Waveform, samples: int) -> Waveform:
    """Repeat sounds (B, N) to fill a window, so that the network sees sound instead of silence."""
    if wave_BN.shape[1] >= samples:
        return wave_BN  # np.pad would copy it
    return np.pad(wave_BN, ((0, 0), (0, samples - wave_BN.shape[1])), mode="wrap")


def followed_by_silence(wave_BN: Waveform, samples: int) -> Waveform:
    """Pad sounds (B, N) with zeros to a window, as in the training of networks of fixed length."""
    return np.pad(wave_BN, ((0, 0), (0, max(0, samples - wave_BN.shape[1]))))


MOST = 96
"""Windows per batch: about eight clips of 30 s, 25 MB. Larger batches are not faster per window."""


class WindowBatch:
    """Collects windows and sends them through the network once there are `MOST`, or on demand.

    Larger batches take less time per window on a CPU, and much less on a GPU.
    """

    def __init__(self, network: Backend, remembered: RememberedClips | None = None) -> None:
        """
        Args:
            remembered: the network's training clips, if the windows are to be compared with them.
        """
        self._network, self._remembered = network, remembered
        self._waiting: list[tuple[Waveform, list[int], list[float], list[Window]]] = []
        self._failure: Exception | None = None

    def add(self, wave_BN: Waveform, starts: list[int], into: list[Window]) -> None:
        """Add windows (B, N) and the samples at which they begin; their results are appended to ``into``."""
        if not starts:
            return
        if self._waiting and self._waiting[0][0].shape[1] != wave_BN.shape[1]:
            self.measure()  # a sound shorter than a window
        # Here, while the sound is still in the processor's cache.
        power_B = [float(wave_N @ wave_N) / len(wave_N) for wave_N in wave_BN]
        self._waiting.append((wave_BN, starts, power_B, into))
        if sum(len(starts) for _, starts, _, _ in self._waiting) >= MOST:
            self.measure()

    def measure(self) -> None:
        """Run the network on the collected windows. If it raises, every later call raises too: windows were lost."""
        if self._failure is not None:
            raise self._failure
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        waves = [wave_BN for wave_BN, _, _, _ in waiting]
        try:
            with self._remembered.watching() if self._remembered else nullcontext(()) as watched:
                logits_BC, ood_score_B = self._network.forward(*waves)
        except Exception as error:
            self._failure = error
            raise
        row = 0
        statistics = list(np.concatenate(watched)) if watched else [None] * len(logits_BC)
        for wave_BN, starts, power_B, into in waiting:
            rows = slice(row, row + len(starts))
            into += self._windows(
                wave_BN.shape[1], starts, power_B, logits_BC[rows], ood_score_B[rows], statistics[rows]
            )
            row += len(starts)

    def _windows(
        self,
        length: int,
        starts: list[int],
        power_B: list[float],
        logits_BC: np.ndarray,
        ood_score_B: np.ndarray,
        statistics: Sequence[Statistics | None],
    ) -> list[Window]:
        rate = self._network.settings.sample_rate
        level_B = 10 * np.log10(np.maximum(power_B, 1e-20))
        measured = zip(starts, logits_BC, level_B, ood_score_B, statistics, strict=True)
        return [
            Window(start / rate, (start + length) / rate, logits, float(level), float(ood_score), own_F)
            for start, logits, level, ood_score, own_F in measured
        ]
