"""Confidence intervals of accuracies, and whether the difference between two models, or a run and its baseline, is
significant."""

import csv
import io
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from core.runs.folder import RunFolder
from core.runs.summary import Summary, baselines
from core.util.files import LARGE_FILE_BYTES, read_small

CONFIDENCE = 0.95
DRAWS = 5000
"""Bootstrap samples; with so many, the bounds change by less than 0.1 points between seeds."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def interval_of_mean(values: Sequence[float]) -> Interval | None:
    """95% interval of the mean of independent shares by Student's t, clipped to [0, 1]; None for fewer than two."""
    if len(values) < 2:
        return None
    from scipy.stats import t  # type: ignore[import-untyped]

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(max(0.0, mean(values) - reach), min(1.0, mean(values) + reach))


def interval_of_share(share: float, count: int) -> Interval:
    """95% interval of a share of ``count`` independent cases (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * count), count).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def interval_of_groups(correct: Sequence[bool], groups: Sequence[Hashable]) -> Interval | None:
    """95% interval of the share of ``correct`` by resampling groups; None for fewer than two groups.

    Clips of one artist tend to be right or wrong together, so there are fewer independent cases than clips. Groups are
    drawn with replacement, with all of their clips, and the interval contains the middle 95% of the shares (percentile
    cluster bootstrap, Field & Welsh 2007). It is deterministic, and too narrow for a dozen groups or fewer.

    Args:
        groups: the group of each clip, in the order of ``correct``.

    Raises:
        ValueError: the two differ in length.
    """
    import numpy as np  # --help does not need it

    sizes: dict[Hashable, list[int]] = {}
    for good, group in zip(correct, groups, strict=True):
        size = sizes.setdefault(group, [0, 0])
        size[0] += good
        size[1] += 1
    if len(sizes) < 2:
        return None
    counts_G2 = np.array(list(sizes.values()), dtype=np.int64)
    even_G = np.full(len(sizes), 1 / len(sizes))
    times_DG = np.random.default_rng(0).multinomial(len(sizes), even_G, size=DRAWS)
    correct_D, clips_D = (times_DG @ counts_G2).T
    low, high = np.quantile(correct_D / clips_D, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class McNemar:
    """The result of the test: clips that only one model got right, and the p-value."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """McNemar's exact test (1947) on whether two models differ on the same clips, two-sided.

    Args:
        first, second: whether each clip was right, in the same order.

    Raises:
        ValueError: the two differ in length.
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    differing = only_first + only_second
    if differing == 0:
        return McNemar(0, 0, 1.0)
    # The binomial distribution is symmetric here, so both tails together are twice the smaller one.
    tail = sum(math.comb(differing, k) for k in range(min(only_first, only_second) + 1))
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**differing))


SPLIT = "split.csv"


def other_datasets(runs: list[Summary], bases: dict[str, Summary]) -> list[str]:
    """For each baseline one sentence about the runs that cannot be compared to it, if there are any."""
    sentences = []
    for folder, base in bases.items():
        others = [run for run in runs if str(Path(run.path).parent) == folder and run.dataset != base.dataset]
        if others:
            what = "1 run was" if len(others) == 1 else f"{len(others)} runs were"
            sentences.append(
                f"{what} not trained on {base.dataset} as the baseline {base.name} was, and cannot be compared to it"
            )
    return sentences


def against_baseline(run: Summary, base: Summary | None) -> tuple[str, str]:
    """The difference in percentage points and McNemar's p; dashes where there is nothing to compare."""
    if base is None or run.test_accuracy is None or base.test_accuracy is None or run.dataset != base.dataset:
        return "–", "–"
    if run.path == base.path:
        return "baseline", "–"
    p = significance(RunFolder(Path(run.path)), RunFolder(Path(base.path)))
    return difference(run.test_accuracy, base.test_accuracy), "–" if p is None else f"{p:.3f}"


def difference(accuracy: float, base: float) -> str:
    """``+2.5`` percentage points."""
    return f"{100 * (accuracy - base):+.1f}"


def test_clips(run: RunFolder) -> frozenset[tuple[str, str, str]]:
    """Genre, name and content of the clips that the run is tested on; empty where its split cannot be read."""
    try:
        text = read_small(run.path / SPLIT, LARGE_FILE_BYTES).decode("utf-8", "surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        return frozenset((row["genre"], row["name"], row["content"]) for row in rows if row["part"] == "test")
    except (OSError, csv.Error, KeyError):
        return frozenset()


def significance(run: RunFolder, base: RunFolder) -> float | None:
    """McNemar's p of the difference between two tests; None where they were not on the same clips."""
    clips = sorted(test_clips(run))
    if not clips or set(clips) != test_clips(base):
        return None
    right, right_there = _right(run, clips), _right(base, clips)
    return None if right is None or right_there is None else mcnemar(right, right_there).p


def _right(run: RunFolder, clips: list[tuple[str, str, str]]) -> list[bool] | None:
    """Whether each clip was classified right; None without a test, or where its mistakes are not among the clips."""
    test = run.state().test
    if test is None:
        return None
    # A mistake is named by its file, a clip by its file's name without the suffix.
    files = [(mistake.genre, mistake.path.rpartition("/")[2]) for mistake in test.misclassified]
    wrong = {(genre, name) for genre, file in files for name in (file, file.rpartition(".")[0])}
    right = [(genre, name) not in wrong for genre, name, _ in clips]
    return right if right.count(False) == len(files) else None


def baseline_of(run: Summary | None, runs: Iterable[Summary]) -> Summary | None:
    """The baseline of the run's folder."""
    return None if run is None else baselines(runs).get(str(Path(run.path).parent))
