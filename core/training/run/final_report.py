"""The end of a run: the best weights on the test part, what they got wrong, and the report in words and pictures."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.dataset.store.feature_set import FeatureSet
from core.models.ood.thresholds import WINDOW_SECONDS, cut, fit_thresholds
from core.reports.metrics import Assessment, as_text
from core.reports.plots import plot_confusion, plot_curves
from core.reports.spectrograms import write_spectrograms
from core.runs.folder import RunFolder
from core.runs.journal.events import ArtefactSaved, Event, TestFinished, Warned
from core.runs.journal.log_lines import percent
from core.training.checkpoint import read_best, write_best
from core.training.evaluation.evaluate import assessment_of
from core.training.evaluation.protocol import describe_split
from core.training.loop.evaluation import Evaluation
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model
from core.training.loop.train_state import TrainProgress, TrainState
from core.training.run.control import ControlHandler
from core.training.run.data import TrainData
from core.util.atomic import write_atomic

MOST_SPECTROGRAMS = 5_000
"""Of a larger collection as many of each genre are drawn as make this together."""


def draw_curves(run: RunFolder, title: str, place: TrainProgress) -> Iterator[Event]:
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
            quantised_MT = features.batch([i])[0].cpu()[:, : int(features.frames[i])]
            yield features.clips[i].genre, features.clips[i].name, quantised_MT.numpy()

    count = write_spectrograms(run.spectrograms_path, pictures())
    yield ArtefactSaved(path=run.spectrograms_path.name, what="spectrograms", count=count)


LIMIT_CLIPS = 300
"""Clips of each part that the limits of the network's knowledge are taken from."""


def conclude(
    run: RunFolder,
    train_state: TrainState,
    reader: BatchLoader,
    material: TrainData,
    emit: Callable[[Event], object],
    requests: ControlHandler,
) -> None:
    """Everything that comes after training, for a run that has a best_model.pth.

    The train_state's weights become the best ones: its state has to be on disk by now.
    """
    recipe = train_state.recipe

    def judge(clips: Tensor) -> Evaluation:
        return evaluate_model(
            train_state.judged,
            reader,
            clips,
            crops=recipe.test_crops,
            precision=train_state.precision,
            on_batch=lambda batch, batches: requests.check(),
        )

    best = read_best(run.best_model_path)
    train_state.judged.load_state_dict(best["weights"])
    temperature = best["calibration"]["temperature"]
    best["calibration"] |= limits(judge(material.valid), temperature, material.features, material.train, material.valid)
    write_best(run.best_model_path, best)

    tested = len(material.test) > 0
    clips = material.test if tested else material.valid
    chosen = [material.features.clips[i] for i in clips.tolist()]
    assessment = assessment_of(judge(clips), [str(clip.path) for clip in chosen], best["genres"], temperature)
    if tested:
        emit(_test_finished(assessment, best["epoch"]))
    else:
        emit(Warned(message="The split has no test part: the report is on the validation clips, and flatters"))
    facts = {
        "dataset": best["dataset"]["name"],
        "model": recipe.model,
        "protocol": describe_split(recipe.split),
        "part": "test" if tested else "validation",
        "best_epoch": best["epoch"],
        "epochs": train_state.place.epoch,
        "val_accuracy": best["val_accuracy"],
        "temperature": temperature,
    }
    for event in _write_report(run, facts, assessment):
        emit(event)
    for event in draw_curves(run, f"{recipe.model} on {facts['dataset']}", train_state.place):
        emit(event)
    if recipe.spectrograms:
        for event in draw_spectrograms(run, material.features, requests.check):
            emit(event)


def limits(
    validation: Evaluation, temperature: float, features: FeatureSet, train: Tensor, valid: Tensor
) -> dict[str, Any]:
    """See `core.models.ood.thresholds.fit_thresholds`; ``train`` and ``valid`` are indices of clips [N]."""
    return fit_thresholds(
        validation.probabilities(temperature),
        validation.labels,
        _windows(features, train),
        _windows(features, valid),
        features.settings,
    )


def _windows(features: FeatureSet, clips: Tensor) -> Iterator[Tensor]:
    """The windows that inference would see of some evenly chosen clips, [W, M, T] in dB, clip after clip."""
    frames = features.settings.frames_in(WINDOW_SECONDS)
    for i in clips[:: -(-len(clips) // LIMIT_CLIPS)].tolist():
        quantised_MT = features.batch([i])[0].cpu()[:, : int(features.frames[i])]
        yield cut(features.as_decibels(quantised_MT), frames)


def _test_finished(assessment: Assessment, best_epoch: int) -> TestFinished:
    return TestFinished(
        loss=assessment.loss,
        accuracy=assessment.accuracy,
        macro_f1=assessment.macro_f1,
        calibration_error=assessment.calibration_error,
        report=assessment.report,
        report_text=assessment.report_text,
        confusion=assessment.confusion,
        genres=assessment.genres,
        best_epoch=best_epoch,
        misclassified=assessment.misclassified,
    )


def _write_report(run: RunFolder, facts: dict[str, Any], assessment: Assessment) -> Iterator[Event]:
    plain = facts | msgspec.to_builtins(assessment)
    write_atomic(run.report_json_path, msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n")
    yield ArtefactSaved(path=run.report_json_path.name, what="report")
    heading = (
        f"{facts['model']} on {facts['dataset']}, {facts['part']} part of a {facts['protocol']}\n"
        f"best weights: epoch {facts['best_epoch']} of {facts['epochs']}, "
        f"validation accuracy {percent(facts['val_accuracy'])}"
    )
    write_atomic(run.report_text_path, as_text(assessment, heading).encode())
    yield ArtefactSaved(path=run.report_text_path.name, what="report")
    right = f"{percent(assessment.accuracy)} of {assessment.clips:,} {facts['part']} clips"
    title = f"{facts['model']} on {facts['dataset']}: {right} recognised"
    plot_confusion(run.plots_path / "confusion_matrix.png", title, assessment.confusion, assessment.genres)
    yield ArtefactSaved(path="Plots/confusion_matrix.png", what="confusion matrix")
