"""The image files of a run: spectrograms, drawn by a thread during training, and the plots of the report."""

import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from core.dataset.store.feature_set import FeatureSet
from core.reports.metrics import Assessment
from core.runs.folder import RunFolder
from core.runs.journal.events import ArtefactSaved, Event, Warned
from core.runs.journal.journal import readable
from core.runs.journal.log_lines import percent
from core.training.checkpoint import TrainProgress
from core.training.errors import EndedAtOnce
from core.training.run.phases import PhaseTimer
from core.training.run.write_guard import WriteGuard
from core.util.errors import UserError
from core.util.text import counted

MOST_SPECTROGRAMS = 5_000
"""Most spectrograms that are drawn; in larger collections, an equal number of each genre."""
SPARE_BYTES = 4e9
"""Free disk space needed to draw spectrograms before the last checkpoints are written."""
WAIT_SECONDS = 0.1

Check = Callable[[], object]
Curves = tuple[list[float], list[float]]


class Abandoned(Exception):
    """The run ends immediately, without pictures."""


class Pictures:
    """Draws spectrograms in a thread, and plots at the end. Errors in drawing become warnings.

    The thread also imports the libraries for the report: matplotlib and scikit-learn. A context manager that ends the
    thread.
    """

    def __init__(
        self,
        run: RunFolder,
        features: FeatureSet,
        emit: Callable[[Event], object],
        guard: WriteGuard,
        phases: PhaseTimer,
        *,
        spectrograms: bool,
    ) -> None:
        """Args:
        features: on disk or in main memory.
        spectrograms: whether to draw spectrograms in addition to the plots.
        """
        self._run = run
        self._features = features
        self._emit = emit
        self._guard = guard
        self._phases = phases
        self._spectrograms = spectrograms
        """Whether spectrograms remain to be drawn."""
        self._over = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        while self._thread is not None and self._thread.is_alive():
            with suppress(EndedAtOnce):  # it ends after the current picture
                self._thread.join()

    def begin(self) -> None:
        """Start the thread; further calls do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._in_background, name="pictures", daemon=True)
            self._thread.start()

    def finish(self, title: str, part: str, assessment: Assessment, progress: TrainProgress, check: Check) -> None:
        """Draw the plots, and wait for the spectrograms or draw them if the thread has not.

        Args:
            title: network and dataset.
            part: the evaluated part: test or validation.
            check: called repeatedly, to answer requests.
        """
        self.begin()
        self._draw_confusion(title, part, assessment)
        self._draw_curves(title, progress)
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(WAIT_SECONDS)
            check()
        if self._spectrograms:
            for unfinished in self._run.path.glob(f".{self._run.spectrograms_path.name}-*"):
                shutil.rmtree(unfinished, ignore_errors=True)  # the folder was moved in the meantime
            self._draw_spectrograms(check, patiently=True)

    def _in_background(self) -> None:
        # Problems of the run folder are detected by the trainer itself.
        with self._phases.beside("pictures"), suppress(Abandoned, UserError, OSError):
            # The report needs these; importing them takes 1 s.
            import sklearn.metrics
            import sklearn.svm  # noqa: F401

            import core.reports.plots  # noqa: F401

            if self._spectrograms and shutil.disk_usage(self._run.path).free > SPARE_BYTES:
                self._draw_spectrograms(self._check_over, patiently=False)

    def _check_over(self) -> None:
        if self._over:
            raise Abandoned

    def _draw(self, what: str, path: str, draw: Callable[[], int], *, patiently: bool = True) -> bool:
        """Draw and report a picture, or turn an error into a warning; returns whether it was drawn.

        Args:
            draw: returns the number of files.
        """
        counts: list[int] = []
        try:
            if not self._guard.attempt(path, lambda: counts.append(draw()), patiently=patiently):
                return False
        except (Abandoned, UserError):
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._emit(Warned(message=f"{path} could not be drawn ({type(error).__name__}: {error})"))
            return False
        self._emit(ArtefactSaved(path=path, what=what, count=counts[-1]))
        return True

    def _draw_confusion(self, title: str, part: str, assessment: Assessment) -> None:
        share = f"{percent(assessment.accuracy)} of {counted(assessment.clips, f'{part} clip')}"
        genres = [readable(genre) for genre in assessment.genres]
        name = "confusion_matrix.png"

        def draw() -> int:
            from core.reports.plots import plot_confusion

            path = self._run.plots_path / name
            plot_confusion(path, f"{title}: {share} recognised", assessment.confusion, genres)
            return 1

        self._draw("confusion matrix", f"{self._run.plots_path.name}/{name}", draw)

    def _draw_curves(self, title: str, progress: TrainProgress) -> None:
        """Draw Plots/loss_curves.png and accuracy_curves.png; nothing for a run without a complete epoch."""
        rows = progress.history
        if not rows:
            return
        epochs = [row.epoch for row in rows]
        best = progress.best.epoch if progress.best else None
        losses = [row.train_loss for row in rows], [row.val_loss for row in rows]
        accuracies = [100 * row.train_accuracy for row in rows], [100 * row.val_accuracy for row in rows]
        for what, axis, (train, valid) in (
            ("Loss", "Cross-entropy (nats)", losses),
            ("Accuracy", "Accuracy (%)", accuracies),
        ):
            name = f"{what.lower()}_curves.png"

            def draw(name: str = name, what: str = what, axis: str = axis, curves: Curves = (train, valid)) -> int:
                from core.reports.plots import plot_curves

                plot_curves(self._run.plots_path / name, f"{what}: {title}", axis, epochs, *curves, best)
                return 1

            self._draw(f"{what.lower()} curves", f"{self._run.plots_path.name}/{name}", draw)

    def _draw_spectrograms(self, between: Check, *, patiently: bool) -> None:
        """Draw Spectrograms/<genre>/<clip>.png for every clip; ``between`` is called before each."""
        features = self._features
        most = max(1, MOST_SPECTROGRAMS // len(features.genres))
        by_genre = [(features.labels.cpu() == label).nonzero()[:, 0].tolist() for label in range(len(features.genres))]
        drawn = [i for clips in by_genre for i in (clips if len(features) <= MOST_SPECTROGRAMS else clips[:most])]

        def pictures() -> Iterator[tuple[str, str, npt.NDArray[np.uint8]]]:
            for i in drawn:
                between()
                yield features.clips[i].genre, features.clips[i].name, features.spectrogram(i).numpy()

        def draw() -> int:
            from core.reports.spectrograms import write_spectrograms

            return write_spectrograms(self._run.spectrograms_path, pictures())

        name = self._run.spectrograms_path.name
        if self._draw("spectrograms", name, draw, patiently=patiently):
            self._spectrograms = False
            if len(drawn) < len(features):
                few = f"Spectrograms of {len(drawn):,} of the {len(features):,} clips are drawn"
                self._emit(Warned(message=few))
