"""A waveform that arrives piece by piece, cut into windows. A file and a live source are cut by the same rule."""

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
SHORTEST_REST = 0.5
"""Seconds after the last whole window that are worth a window of their own."""


class WindowCutter:
    """Windows of ``window`` samples that begin every ``hop`` samples, whatever the sizes of the pieces.

    The end gets a window that ends with the last sample. So no window but that of a very short sound is padded, and
    how a sound is divided into pieces never changes what is cut.
    """

    def __init__(self, window: int, hop: int, rest: int) -> None:
        """Args:
        rest: samples after the last whole window that call for one more; fewer are left out.
        """
        if not 0 < hop <= window:
            raise ValueError(f"the hop must be above 0 and at most the window of {window} samples, not {hop}")
        self.window, self.hop, self.rest = window, hop, rest
        self.received = 0
        self._held: Waveform = np.zeros(0, dtype=np.float32)
        self._next = 0

    def push(self, piece: Waveform) -> tuple[npt.NDArray[np.float32], list[int]]:
        """The windows that ``piece`` completes, [W, window], and the sample at which each begins."""
        held = np.concatenate([self._held, piece]) if len(self._held) else piece
        self.received += len(piece)
        first = self.received - len(held)  # the sample that held begins with
        starts = list(range(self._next, self.received - self.window + 1, self.hop))
        windows_WN = np.empty((len(starts), self.window), dtype=np.float32)
        for row, start in zip(windows_WN, starts, strict=True):
            row[:] = held[start - first : start - first + self.window]
        self._next += self.hop * len(starts)
        # One whole window stays, for the one that ends with the last sample.
        keep = min(self._next, max(0, self.received - self.window))
        self._held = held[keep - first :].copy()  # the piece stays its owner's
        return windows_WN, starts

    def finish(self) -> tuple[Waveform, int] | None:
        """The window that ends with the last sample, and where it begins; shorter where all that came is shorter.

        None where the whole windows reach the end, or all but to it.
        """
        covered = self._next - self.hop + self.window if self._next else 0
        if self.received == 0 or (covered and self.received - covered < self.rest):
            return None
        start = max(0, self.received - self.window)
        return self._held[-min(self.window, self.received) :], start


def repeated(wave_BN: Waveform, samples: int) -> Waveform:
    """Sounds (B, N) over and over until they fill a window: a judge of windows hears more of them, not silence."""
    return np.pad(wave_BN, ((0, 0), (0, max(0, samples - wave_BN.shape[1]))), mode="wrap")


def followed_by_silence(wave_BN: Waveform, samples: int) -> Waveform:
    """Sounds (B, N) with zeros up to a window, as a network of fixed length has met short clips in its training."""
    return np.pad(wave_BN, ((0, 0), (0, max(0, samples - wave_BN.shape[1]))))
