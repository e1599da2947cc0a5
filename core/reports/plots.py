"""Confusion matrices and training curves as images."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.util.atomic import replacing

MOST_NUMBERED = 40
"""Most genres for which the cells of a confusion matrix have numbers."""
MOST_NAMED = 120
LONGEST_NAME = 40
LARGEST_INCHES = 0.6 * MOST_NUMBERED + 2


def plot_confusion(path: Path, title: str, confusion: Sequence[Sequence[int]], genres: Sequence[str]) -> None:
    """Write a PNG: rows are true genres, columns are predictions; shades are shares of a row, numbers count clips.

    The image is at most about 2,900 × 2,800 pixels: with more than `MOST_NUMBERED` genres it has no numbers, and if
    names would overlap only every second, third, ... genre is named.
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(5.0, 0.6 * len(genres) + 2), LARGEST_INCHES)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(genres) <= MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set(title=title, xlabel="Predicted genre", ylabel="True genre")
    step = -(-len(genres) // MOST_NAMED)
    names = [genre if len(genre) <= LONGEST_NAME else f"{genre[: LONGEST_NAME - 1]}…" for genre in genres[::step]]
    size = None if len(genres) <= MOST_NUMBERED else 7
    ticks = range(0, len(genres), step)
    axes.set_xticks(ticks, names, rotation=45 if size is None else 90, ha="right" if size is None else "center")
    axes.set_yticks(ticks, names)
    if size is not None:
        axes.tick_params(labelsize=size)
    figure.colorbar(image, label="Share of the genre's clips", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def plot_curves(
    path: Path,
    title: str,
    axis: str,
    epochs: Sequence[int],
    train: Sequence[float],
    validation: Sequence[float],
    best_epoch: int | None,
) -> None:
    """Write the training and the validation curve over epochs, with the best epoch marked.

    Args:
        axis: label of the y axis.
    """
    few = len(epochs) <= 60  # markers of more epochs would overlap
    best = best_epoch if best_epoch in epochs else None
    curves = {"training": (epochs, train), "validation": (epochs, validation)}
    plot_lines(path, title, "Epoch", axis, curves, markers=few, best=best)


def plot_lines(
    path: Path,
    title: str,
    x_axis: str,
    y_axis: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    markers: bool = False,
    logarithmic: bool = False,
    best: float | None = None,
) -> None:
    """Write named lines as an image whose format is the suffix of ``path`` (PNG, SVG); a NaN is a gap.

    Args:
        lines: name → x values, y values.
        markers: mark every value.
        logarithmic: logarithmic y axis.
        best: x of the best epoch, marked with a vertical line.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for (name, (xs, ys)), dash, marker in zip(
        lines.items(), cycle(("-", "--", "-.", ":")), cycle("osD^"), strict=False
    ):
        axes.plot(xs, ys, linestyle=dash, marker=marker if markers else "", markersize=3, label=name)
    if best is not None:
        axes.axvline(best, color="grey", linewidth=1, linestyle=":", label=f"best model ({x_axis.lower()} {best:g})")
    axes.set_title(title, parse_math=False)  # a run's name may contain $
    axes.set(xlabel=x_axis, ylabel=y_axis, yscale="log" if logarithmic else "linear")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text in an SVG, and the same chart gives the same file.
    with replacing(path) as temporary, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "genre-tui"}):
        figure.savefig(temporary, dpi=110, format=path.suffix[1:])
