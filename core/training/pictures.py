"""The pictures of a run: its curves, and its clips' spectrograms."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from core.dataset.feature_set import FeatureSet
from core.reports.curves import plot_curves
from core.reports.spectrograms import write_spectrograms
from core.runs.events import ArtefactSaved, Event, Warned
from core.runs.folder import RunFolder
from core.training.place import Place

MOST_SPECTROGRAMS = 5_000
"""Of a larger collection as many of each genre are drawn as make this together."""


def draw_curves(run: RunFolder, title: str, place: Place) -> Iterator[Event]:
    """Writes Plots/loss_curves.png and accuracy_curves.png; nothing for a run without a whole epoch."""
    rows = place.history
    if not rows:
        return
    epochs = [row.epoch for row in rows]
    best = place.best.epoch if place.best else None
    train, validation = [row.train_loss for row in rows], [row.val_loss for row in rows]
    path = run.plots_path / "loss_curves.png"
    plot_curves(path, f"Loss: {title}", "Cross-entropy (nats)", epochs, train, validation, best)
    yield ArtefactSaved(path=f"{run.plots_path.name}/{path.name}", what="loss curves")
    train, validation = [100 * row.train_accuracy for row in rows], [100 * row.val_accuracy for row in rows]
    path = run.plots_path / "accuracy_curves.png"
    plot_curves(path, f"Accuracy: {title}", "Accuracy (%)", epochs, train, validation, best)
    yield ArtefactSaved(path=f"{run.plots_path.name}/{path.name}", what="accuracy curves")


def draw_spectrograms(run: RunFolder, features: FeatureSet, between: Callable[[], None]) -> Iterator[Event]:
    """Writes Spectrograms/<genre>/<clip>.png for every clip; ``between`` is called before each."""
    most = max(1, MOST_SPECTROGRAMS // len(features.genres))
    by_genre = [(features.labels.cpu() == label).nonzero()[:, 0].tolist() for label in range(len(features.genres))]
    drawn = [i for clips in by_genre for i in (clips if len(features) <= MOST_SPECTROGRAMS else clips[:most])]
    if len(drawn) < len(features):
        yield Warned(message=f"Spectrograms are drawn of {len(drawn):,} of the {len(features):,} clips")

    def pictures() -> Iterator[tuple[str, str, npt.NDArray[np.uint8]]]:
        for i in drawn:
            between()
            codes_MT = features.batch([i])[0].cpu()[:, : int(features.frames[i])]
            yield features.clips[i].genre, features.clips[i].name, codes_MT.numpy()

    count = write_spectrograms(run.spectrograms_path, pictures())
    yield ArtefactSaved(path=run.spectrograms_path.name, what="spectrograms", count=count)
