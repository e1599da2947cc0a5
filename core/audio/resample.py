"""Resampling on the CPU; ``core.features.resample`` does it on a device."""

import numpy as np
import numpy.typing as npt
import soxr

from core.util.errors import UserError


def resample(y: npt.NDArray[np.float32], rate: int, target: int) -> npt.NDArray[np.float32]:
    """(samples,) at ``rate`` → (about samples · target / rate,) at ``target`` Hz, at soxr's high quality."""
    if rate == target:
        return y
    out: npt.NDArray[np.float32] = soxr.resample(y, rate, target, quality="HQ").astype(np.float32, copy=False)
    return out


LOWEST_RATE, HIGHEST_RATE = 2_000, 768_000


class Resampler:
    """Resamples a stream piece by piece; joined, the pieces equal what ``resample`` returns for the whole."""

    def __init__(self, rate: int, target: int) -> None:
        """
        Raises:
            UserError: the rate is outside ``LOWEST_RATE`` to ``HIGHEST_RATE``.
        """
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise UserError(f"a sample rate of {rate:,} Hz is outside {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz")
        self._stream = None if rate == target else soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")

    def push(self, piece: npt.NDArray[np.float32], *, last: bool = False) -> npt.NDArray[np.float32]:
        """(samples,) → (samples that are ready,); the filter delays some until ``last``."""
        if self._stream is None:
            return piece
        out: npt.NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(piece), last=last)
        return out
