"""Another sample rate, on the CPU. ``core.features.resample`` does it on a device."""

import numpy as np
import numpy.typing as npt
import soxr


def resample(y: npt.NDArray[np.float32], rate: int, target: int) -> npt.NDArray[np.float32]:
    """(samples,) at ``rate`` → (about samples · target / rate,) at ``target`` Hz, at soxr's high quality."""
    if rate == target:
        return y
    out: npt.NDArray[np.float32] = soxr.resample(y, rate, target, quality="HQ").astype(np.float32, copy=False)
    return out
