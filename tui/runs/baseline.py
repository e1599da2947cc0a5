"""How a run compares to another: the difference of their test accuracies, and whether it is significant."""

import csv
from collections.abc import Iterable
from pathlib import Path

from core.runs.folder import RunFolder
from core.runs.summary import Summary, baselines
from core.training.evaluation.significance import mcnemar

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
        with (run.path / SPLIT).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
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
