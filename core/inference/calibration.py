"""What a model file says about how far the model may be believed."""

from typing import TYPE_CHECKING, Any

import msgspec

from core.features.settings import FrontEndSettings
from core.util.errors import UserError

if TYPE_CHECKING:
    from core.models.ood.detector import OodDetector


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a model file's ``calibration`` that verdicts depend on, with what holds for a model without."""

    temperature: float = 1.0
    entropy_limit: float = 0.85
    texture_mean: list[float] = []
    texture_precision: list[list[float]] = []
    texture_limit: float | None = None
    movement_limit: float = 0.0

    @classmethod
    def of(cls, plain: dict[str, Any] | None) -> "Calibration":
        """
        Raises:
            UserError: a value is of another type; the file has been tampered with.
        """
        try:
            return msgspec.convert(plain or {}, cls)
        except msgspec.ValidationError as error:
            raise UserError(f"the model's calibration is damaged: {error}") from error

    def ood_detector(self, settings: FrontEndSettings) -> "OodDetector | None":
        """Says how unlike the training set a window is; None where the model file knows nothing of that.

        Raises:
            UserError: the model file is damaged.
        """
        from core.models.ood.detector import OodDetector

        if self.texture_limit is None:
            return None
        try:
            return OodDetector(
                settings, self.texture_mean, self.texture_precision, self.texture_limit, self.movement_limit
            )
        except (ValueError, TypeError) as error:
            raise UserError(f"the model's calibration is damaged: {error}") from error
