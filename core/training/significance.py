"""What a handful of accuracies allow one to say: intervals, and whether two models really differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean of independent values by Student's t; None for fewer than two."""
    if len(values) < 2:
        return None
    from scipy.stats import t  # type: ignore[import-untyped]

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(mean(values) - reach, mean(values) + reach)


def interval_of_share(share: float, count: int) -> Interval:
    """95 % interval of a share of ``count`` cases (Wilson 1927): how far other clips like these might have led."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(middle - reach, middle + reach)


@dataclass(frozen=True)
class McNemar:
    """``only_first``, ``only_second``: clips that one model alone got right; ``p``: of so uneven a split by chance."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """McNemar's exact test (1947) on whether two models differ on the same clips, two-sided.

    Args:
        first, second: whether each clip was right, in the same order.

    Raises:
        ValueError: the clips are not the same in number.
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    differing = only_first + only_second
    tail = sum(math.comb(differing, k) for k in range(min(only_first, only_second) + 1)) / 2**differing
    return McNemar(only_first, only_second, min(1.0, 2 * tail))
