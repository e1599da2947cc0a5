"""What a classifier needs to know and ask of a network, wherever that runs: PyTorch, ONNX Runtime, a shared server."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.features.settings import FrontEndSettings
from core.inference.calibration import Calibration

Waveform = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


class Backend(Protocol):
    """Safe to ask from several threads at once."""

    @property
    def settings(self) -> FrontEndSettings: ...

    @property
    def genres(self) -> Sequence[str]: ...

    @property
    def name(self) -> str:
        """The network's, not the model's."""

    @property
    def calibration(self) -> Calibration: ...

    @property
    def window_samples(self) -> int: ...

    @property
    def device(self) -> object: ...

    def measure(self, wave_BN: Waveform) -> tuple[Values, Values]:
        """Windows (B, N) of one length, at most ``window_samples`` → logits (B, C), and ood_score (B,)."""
