"""What a handful of accuracies allow one to say: intervals, and whether two models really differ."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev

CONFIDENCE = 0.95
DRAWS = 5000
"""Resamples of whole groups: the bounds then change by less than a tenth of a point from one seed to the next."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean of independent shares by Student's t, inside [0, 1]; None for fewer than two."""
    if len(values) < 2:
        return None
    from scipy.stats import t  # type: ignore[import-untyped]

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(max(0.0, mean(values) - reach), min(1.0, mean(values) + reach))


def interval_of_share(share: float, count: int) -> Interval:
    """95 % interval of a share of ``count`` independent cases (Wilson 1927): how far others might have led."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(middle - reach, middle + reach)


def interval_of_groups(right: Sequence[bool], groups: Sequence[Hashable]) -> Interval | None:
    """95 % interval of the share of ``right`` by resampling whole groups; None for fewer than two groups.

    Clips of one artist are right or wrong together, so there are fewer independent cases than clips: the groups are
    drawn with replacement, each with all of its clips, and the middle 95 % of the shares counts (the cluster bootstrap,
    Field & Welsh 2007; percentiles). The draws are the same every time. With a dozen groups or fewer it is too narrow.

    Args:
        groups: of each clip, in the order of ``right``.

    Raises:
        ValueError: the two are not the same in number.
    """
    import numpy as np  # not for --help

    sizes: dict[Hashable, list[int]] = {}
    for good, group in zip(right, groups, strict=True):
        size = sizes.setdefault(group, [0, 0])
        size[0] += good
        size[1] += 1
    if len(sizes) < 2:
        return None
    counts_G2 = np.array(list(sizes.values()), dtype=np.int64)
    even_G = np.full(len(sizes), 1 / len(sizes))
    times_DG = np.random.default_rng(0).multinomial(len(sizes), even_G, size=DRAWS)
    right_D, clips_D = (times_DG @ counts_G2).T
    low, high = np.quantile(right_D / clips_D, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


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
