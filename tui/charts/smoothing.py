"""Smoothing of a curve for the eye."""

from collections.abc import Sequence
from math import isfinite, nan


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average with its start-up bias removed, as TensorBoard's slider does it.

    ``weight`` in [0, 1) is how much of the past is kept; 0 returns the values themselves. A value that is not finite
    gives NaN in its place and leaves the average as it was, so that a gap stays a gap.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be in [0, 1), not {weight}")
    average, share, smoothed = 0.0, 0.0, []
    for value in values:
        if isfinite(value):
            average = weight * average + (1 - weight) * value
            share = weight * share + (1 - weight)
            smoothed.append(average / share)
        else:
            smoothed.append(nan)
    return smoothed
