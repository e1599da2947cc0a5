"""Inference: from a model and audio to predictions. The public entry point is `core.inference.Classifier`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.inference.classifier import Classifier
    from core.inference.types import MergedSegment, Prediction, Segment

__all__ = ["Classifier", "MergedSegment", "Prediction", "Segment"]


def __getattr__(name: str) -> object:
    """Imported on first use: `Classifier` loads torch, which reading predictions does not need."""
    if name == "Classifier":
        from core.inference.classifier import Classifier

        return Classifier
    if name in __all__:
        from core.inference import types as prediction

        return getattr(prediction, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
