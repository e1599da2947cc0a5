"""The interface between a classifier and its network: PyTorch, ONNX Runtime, or batched in a server."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.features.settings import FrontEndSettings
from core.inference.calibration import Calibration

Waveform = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


class Backend(Protocol):
    """Safe to use from several threads at once."""

    @property
    def settings(self) -> FrontEndSettings: ...

    @property
    def genres(self) -> Sequence[str]: ...

    @property
    def name(self) -> str:
        """Name of the architecture."""

    @property
    def calibration(self) -> Calibration: ...

    @property
    def window_samples(self) -> int: ...

    @property
    def device(self) -> object: ...

    def forward(self, *waves_BN: Waveform) -> tuple[Values, Values]:
        """Windows (B, N) of one length, at most ``window_samples``, in one or several arrays → logits and ood_score

        of all of them, (B, C) and (B,).
        """
