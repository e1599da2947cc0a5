"""Loss and accuracy over the epochs, as pictures."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.runs.atomic import replacing


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
