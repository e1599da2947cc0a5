"""Level and length of a waveform."""

import numpy as np
import numpy.typing as npt


def peak_normalise(y: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The waveform scaled so that its largest absolute sample is 1; digital silence stays as it is."""
    peak = np.abs(y).max(initial=0.0)
    return y / peak if peak > 0 else y


def fit(y: npt.NDArray[np.float32], samples: int) -> npt.NDArray[np.float32]:
    """Exactly ``samples`` samples from the beginning: trimmed, or padded with zeros at the end."""
    return y[:samples] if len(y) >= samples else np.pad(y, (0, samples - len(y)))
