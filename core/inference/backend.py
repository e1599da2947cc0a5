"""The interface between a classifier and its network (PyTorch, ONNX Runtime, or batched), and the calibration."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.features.settings import FrontEndSettings
from core.util.errors import UserError

if TYPE_CHECKING:
    from core.models.ood import OodDetector


LONGEST_WINDOW = 100_000_000
"""Most samples of a window; a longer one, which a damaged model file may state, would only use memory."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a model file's ``calibration`` that decisions depend on, with defaults for missing ones."""

    temperature: float = 1.0
    entropy_limit: float = 0.85
    texture_mean: list[float] = []
    texture_precision: list[list[float]] = []
    texture_limit: float | None = None
    movement_limit: float = 0.0

    def __post_init__(self) -> None:
        numbers = [self.temperature, self.entropy_limit, self.movement_limit, *self.texture_mean]
        numbers += [value for row in self.texture_precision for value in row]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("it holds NaN or infinite values")
        if self.temperature <= 0:
            raise ValueError(f"the temperature must be above 0, not {self.temperature:g}")
        if self.texture_limit is not None and not 0 < self.texture_limit < math.inf:
            raise ValueError(f"the texture limit must be above 0, not {self.texture_limit:g}")

    @classmethod
    def of(cls, plain: dict[str, Any] | None) -> "Calibration":
        """Check and convert the ``calibration`` of a model file.

        Raises:
            UserError: a value has another type, is NaN or infinite, or is out of range.
        """
        try:
            return msgspec.convert(plain or {}, cls)
        except msgspec.ValidationError as error:
            raise UserError(f"the model's calibration is damaged: {error}") from error

    def ood_detector(self, settings: FrontEndSettings) -> "OodDetector | None":
        """The out-of-distribution detector; None if the model file has no thresholds for it.

        Raises:
            UserError: the model file is damaged.
        """
        from core.models.ood import OodDetector

        if self.texture_limit is None:
            return None
        try:
            return OodDetector(
                settings, self.texture_mean, self.texture_precision, self.texture_limit, self.movement_limit
            )
        except (ValueError, TypeError) as error:
            raise UserError(f"the model's calibration is damaged: {error}") from error


Waveform = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


class Backend(Protocol):
    """A network with its front end. Thread-safe."""

    @property
    def settings(self) -> FrontEndSettings: ...

    @property
    def genres(self) -> Sequence[str]: ...

    @property
    def name(self) -> str:
        """The name of the architecture."""

    @property
    def calibration(self) -> Calibration: ...

    @property
    def window_samples(self) -> int: ...

    @property
    def device(self) -> object: ...

    def forward(self, *waves_BN: Waveform) -> tuple[Values, Values]:
        """Windows (B, N) of one length, at most ``window_samples``, in one or more arrays → logits (B, C), scores (B,).

        The scores are OOD scores.
        """
