"""A trained model on a dataset: the figures of ``genre-tui evaluate``, with the protocol they hold for."""

from collections.abc import Sequence

from core.reports.assessment import Assessment, assess
from core.training.calibration import calibration_error
from core.training.evaluation import Evaluation


def assessment_of(
    evaluation: Evaluation, paths: Sequence[str], genres: Sequence[str], temperature: float
) -> Assessment:
    """The evaluation's figures for a report. The loss is that of the plain logits, as in training; probabilities and
    the calibration error are those of the calibrated ones."""
    probabilities_NC = evaluation.probabilities(temperature)
    return assess(
        paths,
        evaluation.labels.tolist(),
        evaluation.predictions.tolist(),
        probabilities_NC.amax(1).tolist(),
        genres,
        loss=evaluation.loss,
        calibration_error=calibration_error(probabilities_NC, evaluation.labels),
    )
