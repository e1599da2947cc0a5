"""Runs of one recipe that differ in their seeds, and the mean and deviation of their results."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, stdev

from textual.content import Content

from core.runs.recipe_fields import but_for_the_seed
from core.runs.summary import Summary
from tui.text.formatting import DASH, count


@dataclass(frozen=True)
class Group:
    """Two or more runs of one recipe, in the order of the list."""

    runs: tuple[Summary, ...]


Row = Summary | Group


def grouped(runs: Iterable[Summary]) -> list[Row]:
    """The runs with those of one recipe next to each other, below a heading; the first has its place."""
    members: dict[object, list[Summary]] = {}
    for run in runs:
        key = but_for_the_seed(run.recipe)
        members.setdefault((key, run.dataset) if key else run.path, []).append(run)
    rows: list[Row] = []
    for group in members.values():
        rows += [Group(tuple(group)), *group] if len(group) > 1 else group
    return rows


def spread(values: Iterable[float | None]) -> str:
    """``71.2 ± 1.1%``, of the values that are known."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    deviation = f" ± {100 * stdev(known):.1f}" if len(known) > 1 else ""
    return f"{100 * mean(known):.1f}{deviation}%"


def heading(group: Group, width: int) -> Content:
    """``▾ 3 seeds of quick, small_cnn   val 71.2 ± 1.1%   test 70.1 ± 0.9%``"""
    first = group.runs[0]
    name = ", ".join(str(part) for part in (first.recipe.get("preset"), first.model, first.dataset) if part)
    return Content.assemble(
        ("▾ ", "$text-muted"),
        (f"{count(len(group.runs), 'run')} of {name}", "bold"),
        ("   val ", "$text-muted"),
        spread(run.best_val_accuracy for run in group.runs),
        ("   test ", "$text-muted"),
        spread(run.test_accuracy for run in group.runs),
    ).truncate(width, ellipsis=True)
