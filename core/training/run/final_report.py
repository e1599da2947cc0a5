"""The end of a run: evaluating the best weights on the test part, and writing report, plots and spectrograms."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from torch import Tensor, nn

from core.dataset.split import sharing_artist
from core.dataset.store.feature_set import FeatureSet
from core.models.networks.encoder_head import EncoderHead
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.ood import WINDOW_SECONDS, cut, fit_thresholds
from core.reports.metrics import Assessment, as_text
from core.runs.folder import RunFolder
from core.runs.journal.events import ArtefactSaved, Event, TestFinished, Warned
from core.runs.journal.journal import readable
from core.runs.journal.log_lines import percent
from core.training.evaluation.baseline import Baseline, baseline
from core.training.evaluation.evaluate import assessment_of
from core.training.loop.evaluation import Evaluation
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.training.run.checkpointing import CheckpointManager
from core.training.run.control import ControlHandler
from core.training.run.data import TrainData
from core.training.run.phases import PhaseTimer
from core.training.run.pictures import Pictures
from core.training.run.write_guard import WriteGuard
from core.util.atomic import write_atomic
from core.util.text import counted

THRESHOLD_CLIPS = 300
"""Most clips of each part to which the out-of-distribution thresholds are fitted."""

Save = Callable[[ArtefactSaved, Callable[[], object]], None]
"""Function that writes a file and reports it."""


def final_report(
    run: RunFolder,
    train_state: TrainState,
    loader: BatchLoader,
    data: TrainData,
    checkpoints: CheckpointManager,
    pictures: Pictures,
    emit: Callable[[Event], object],
    control: ControlHandler,
    guard: WriteGuard,
    phases: PhaseTimer,
) -> None:
    """Do everything that follows training: thresholds, test, report, plots and spectrograms.

    The train state gets the best weights, so its last save must have been started before; it is waited for before
    anything is reported. Files that cannot be written are reported and left out.
    """
    recipe = train_state.recipe

    def evaluate(clips: Tensor) -> Evaluation:
        return evaluate_model(
            train_state.eval_model,
            loader,
            clips,
            crops=recipe.test_crops,
            precision=train_state.precision,
            on_batch=lambda batch, batches: control.check(),
        )

    def save(artefact: ArtefactSaved, write: Callable[[], object]) -> None:
        if guard.attempt(artefact.path, write, patiently=True):
            emit(artefact)

    best = checkpoints.best_model()
    train_state.eval_model.load_state_dict(best.weights)
    best.calibration = {**(best.calibration or {})} | ood_thresholds(
        evaluate(data.valid), best.temperature, data.features, data.train, data.valid
    )
    checkpoints.begin_finished(best)

    tested = len(data.test) > 0
    clips = data.test if tested else data.valid
    paths = [str(data.features.clips[i].path) for i in clips.tolist()]
    assessment = assessment_of(evaluate(clips), paths, best.genres, best.temperature)
    facts: dict[str, Any] = {
        "dataset": best.dataset.name,
        "model": recipe.model,
        "protocol": recipe.split.describe(),
        **({} if recipe.encoder is None else {"encoder": msgspec.to_builtins(recipe.encoder)}),
        "part": "test" if tested else "validation",
        "best_epoch": best.epoch,
        "epochs": train_state.progress.epoch,
        "val_accuracy": best.val_accuracy,
        "temperature": best.temperature,
        "sharing_artist": sharing_artist(data.features.clips, clips.tolist(), data.train.tolist()),
    }
    facts |= _chosen_settings(train_state.eval_model, recipe)
    to_beat = baseline(data.features, data.train, clips)
    facts["baseline"] = msgspec.to_builtins(to_beat)
    notes = _notes(facts, assessment, to_beat)
    checkpoints.wait()
    facts["seconds"] = {phase: round(seconds, 2) for phase, seconds in phases.seconds.items()}
    if tested:
        emit(_test_finished(assessment, best.epoch, notes))
    else:
        emit(Warned(message="The split has no test part: the report is for the validation clips and too optimistic"))
    _save_report(run, facts, assessment, notes, save)
    phases.begin("pictures")
    title = f"{recipe.model} on {facts['dataset']}"
    pictures.finish(title, facts["part"], assessment, train_state.progress, control.check)


def _notes(facts: dict[str, Any], assessment: Assessment, to_beat: Baseline) -> list[str]:
    """Additional lines of the report: the baseline, shared artists, and settings chosen on inner folds."""
    notes = to_beat.as_text(assessment.accuracy).splitlines()
    if (sharing := facts["sharing_artist"]) is not None:
        verb = "is" if sharing == 1 else "are"
        tested = counted(assessment.clips, f"{facts['part']} clip")
        notes.append(f"{sharing:,} of the {tested} {verb} by an artist of a training clip")
    if "encoder" in facts:
        notes += _chosen_parts(facts).splitlines()
    if "experts" in facts:
        notes += _chosen(facts["experts"]).splitlines()
    return notes


def _save_report(run: RunFolder, facts: dict[str, Any], assessment: Assessment, notes: list[str], save: Save) -> None:
    plain = facts | msgspec.to_builtins(assessment)
    text = msgspec.json.format(msgspec.json.encode(readable(plain)), indent=2) + b"\n"
    save(ArtefactSaved(path=run.report_json_path.name, what="report"), lambda: write_atomic(run.report_json_path, text))
    heading = (
        f"{facts['model']} on {facts['dataset']}, {facts['part']} part of a {facts['protocol']}\n"
        f"best weights: epoch {facts['best_epoch']} of {facts['epochs']}, "
        f"validation accuracy {percent(facts['val_accuracy'])}\n" + "\n".join(notes)
    )
    report = readable(as_text(assessment, heading)).encode()
    save(
        ArtefactSaved(path=run.report_text_path.name, what="report"), lambda: write_atomic(run.report_text_path, report)
    )


def _chosen_settings(model: nn.Module, recipe: Recipe) -> dict[str, Any]:
    """Settings chosen on inner folds of the training clips, for report.json."""
    lengths = {
        "window_seconds": recipe.input_frames * recipe.front_end.frame_seconds,
        "fit_seconds": recipe.fit_frames * recipe.front_end.frame_seconds,
    }
    if isinstance(model, EncoderHead):
        return {"head": model.describe(), "experts": model.by_embeddings.describe() | lengths}
    for module in model.modules():
        if isinstance(module, EnsembleCNN | ExpertEnsemble):
            return {"experts": module.describe() | lengths}
    return {}


def _chosen_parts(facts: dict[str, Any]) -> str:
    """The encoder and the weights of the parts of its head, in two lines."""
    encoder, head = facts["encoder"], facts["head"]
    shares = ", ".join(
        f"{name} {percent(head['accuracies'][name])} (weight {weight:.2g})" for name, weight in head["weights"].items()
    )
    return (
        f"encoder: {encoder['name']} (SHA-256 {encoder['sha256'][:12]})\n"
        f"parts of its head on inner folds of the training clips: {shares}; "
        f"together {percent(head['accuracies']['ensemble'])}"
    )


def _chosen(experts: dict[str, Any]) -> str:
    """The experts' settings chosen on inner folds, in a line."""
    shares = ", ".join(
        f"{name} {percent(experts['accuracies'][name])} (weight {weight:.2g})"
        for name, weight in experts["weights"].items()
    )
    network = f"; weight of the network {experts['network_weight']:.2g}" if "network_weight" in experts else ""
    return (
        f"experts on inner folds of the training clips: {shares}; together "
        f"{percent(experts['accuracies']['ensemble'])}{network}\n"
        f"chosen: shrinkage {experts['shrinkage']:.2g} and {experts['memory_shrinkage']:.2g}, "
        f"bandwidth {experts['bandwidth']:.3g}, ridge {experts['ridge']:.2g}; fitted to windows of "
        f"{experts['fit_seconds']:.3g} s, evaluated on windows of {experts['window_seconds']:.3g} s"
    )


def ood_thresholds(
    validation: Evaluation, temperature: float, features: FeatureSet, train: Tensor, valid: Tensor
) -> dict[str, Any]:
    """See `core.models.ood.fit_thresholds`; ``train`` and ``valid`` are clip indices [N]."""
    return fit_thresholds(
        validation.probabilities(temperature),
        validation.labels,
        _windows(features, train),
        _windows(features, valid),
        features.settings,
    )


def _windows(features: FeatureSet, clips: Tensor) -> Iterator[Tensor]:
    """Yield the windows of evenly chosen clips as at inference, [W, M, T] in dB for each clip."""
    frames = features.settings.frames_in(WINDOW_SECONDS)
    for i in clips[:: -(-len(clips) // THRESHOLD_CLIPS)].tolist():
        for excerpt in range(int(features.excerpts.count_N[i])):
            yield cut(features.as_decibels(features.spectrogram(i, excerpt)), frames)


def _test_finished(assessment: Assessment, best_epoch: int, notes: list[str]) -> TestFinished:
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
        notes=notes,
    )
