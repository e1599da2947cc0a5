"""A trained model on a dataset: the figures of ``genre-tui evaluate``, with the protocol they hold for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from core.dataset.feature_set import FeatureSet
from core.dataset.features import OnFeatures
from core.dataset.load import load_features
from core.dataset.scan import survey
from core.errors import UserError
from core.reports.assessment import Assessment, assess
from core.runs.folder import dataset_name
from core.training.batches import WindowReader
from core.training.calibration import calibration_error, calibration_noise
from core.training.checkpoint import TrainedModel, load_model
from core.training.choice import choose_clips
from core.training.device import choose_device
from core.training.evaluation import Evaluation
from core.training.precision import choose_precision
from core.training.train import evaluate_model


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    part: str | None = None,
    split_column: str | None = None,
    index: Path | None = None,
    device: str = "auto",
    on_features: OnFeatures | None = None,
) -> dict[str, Any]:
    """How good the model file ``model`` is on the folder of genres, or feature pack, at ``data``.

    Args:
        part: ``all``; or ``train``, ``valid`` or ``test``, the clips that were so in the model's own training; or,
            with ``split_column``, a value of that column. By default every clip that the model has neither been
            trained on nor been chosen by.
        split_column: a column of the dataset's index, or of ``index``.
        on_features: see `core.dataset.features.compute_features`.

    Returns:
        The fields of `core.reports.assessment.Assessment`, and ``model``, ``dataset`` and ``protocol``.

    Raises:
        UserError: model, dataset, column or part cannot be used, or no clip is left to evaluate.
    """
    trained = load_model(Path(model), choose_device(device))
    on = next(trained.model.parameters()).device
    found = survey(data, index=index)
    features, _ = load_features(found, trained.front_end, device=on, on_features=on_features)
    _check_front_end(features, trained)
    choice = choose_clips(features.clips, trained, part=part, split_column=split_column)
    known = [i for i in choice.clips if features.clips[i].genre in trained.genres]
    if not known:
        raise UserError(f"None of the clips ({choice.protocol}) is of a genre that the model knows.")
    evaluation = evaluate_model(
        trained.model,
        WindowReader(features.to(on), trained.recipe.input_frames, on),
        torch.tensor(known),
        crops=trained.recipe.test_crops,
        precision=choose_precision(trained.recipe, on),
    )
    clips = [features.clips[i] for i in known]
    labels = torch.tensor([trained.genres.index(clip.genre) for clip in clips])
    assessment = assessment_of(
        Evaluation(evaluation.logits, labels), [str(clip.path) for clip in clips], trained.genres, trained.temperature
    )
    protocol = choice.protocol
    if strangers := len(choice.clips) - len(known):
        protocol += f"; {strangers} clips of genres that the model does not know left out"
    facts: dict[str, Any] = {"model": str(model), "dataset": dataset_name(Path(data)), "protocol": protocol}
    facts |= msgspec.to_builtins(assessment)
    return facts


def _check_front_end(features: FeatureSet, trained: TrainedModel) -> None:
    """A pack's spectrograms cannot be made anew for the model: they have to be the model's, whatever their length."""
    made, wanted = features.settings, trained.front_end
    if msgspec.structs.replace(made, seconds=wanted.seconds) != wanted or made.frames < trained.recipe.input_frames:
        raise UserError("The feature pack was made with another front end than the model's: evaluate on the audio.")


def assessment_of(
    evaluation: Evaluation, paths: Sequence[str], genres: Sequence[str], temperature: float
) -> Assessment:
    """The evaluation's figures for a report.

    The loss is that of the plain logits, as in training; probabilities and calibration error are the calibrated ones.
    """
    probabilities_NC = evaluation.probabilities(temperature)
    return assess(
        paths,
        evaluation.labels.tolist(),
        evaluation.predictions.tolist(),
        probabilities_NC.amax(1).tolist(),
        genres,
        loss=evaluation.loss,
        calibration_error=calibration_error(probabilities_NC, evaluation.labels),
        calibration_noise=calibration_noise(probabilities_NC),
    )
