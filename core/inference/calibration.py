"""What a model file says about how far the model may be believed."""

from typing import Any

import msgspec
import torch
from torch import Tensor

from core.errors import UserError


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a model file's ``calibration`` that verdicts depend on, with what holds for a model without."""

    temperature: float = 1.0
    entropy_limit: float = 0.85
    texture_mean: list[float] = []
    texture_precision: list[list[float]] = []
    texture_limit: float | None = None

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

    def texture(self, device: torch.device) -> tuple[Tensor, Tensor, float] | None:
        """Mean [F], precision [F, F] and limit for ``core.models.texture.distance``; None where the file has none."""
        if self.texture_limit is None:
            return None
        mean_F = torch.tensor(self.texture_mean, device=device)
        precision_FF = torch.tensor(self.texture_precision, device=device)
        if precision_FF.shape != (len(mean_F), len(mean_F)):
            raise UserError("the model's calibration is damaged: its texture has no square precision")
        return mean_F, precision_FF, self.texture_limit
