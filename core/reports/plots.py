"""The confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.util.atomic import replacing


def plot_confusion(path: Path, title: str, confusion: Sequence[Sequence[int]], genres: Sequence[str]) -> None:
    """Writes a PNG: rows are the true genres, columns the predicted; shades are shares of a row, numbers are clips."""
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = max(5.0, 0.6 * len(genres) + 2)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set(title=title, xlabel="Predicted genre", ylabel="True genre")
    axes.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
    axes.set_yticks(range(len(genres)), genres)
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
    """Writes a PNG with a curve for training and one for validation; the best epoch is marked.

    Args:
        axis: what the y axis says.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    few = len(epochs) <= 60  # markers of more epochs would run into one another
    axes.plot(epochs, train, marker="o" if few else "", markersize=3, label="training")
    axes.plot(epochs, validation, marker="s" if few else "", markersize=3, linestyle="--", label="validation")
    if best_epoch is not None and best_epoch in epochs:
        axes.axvline(best_epoch, color="grey", linewidth=1, linestyle=":", label=f"best model (epoch {best_epoch})")
    axes.set(title=title, xlabel="Epoch", ylabel=axis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
