"""Temperature, calibration error, and the metrics of an evaluation."""

import math

import pytest
import torch

from core.training.loop.evaluation import Evaluation, calibrate, calibration_error, calibration_noise, fit_temperature


def sure(factor: float, clips: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels drawn from a network's own probabilities, and its logits times ``factor``."""
    generator = torch.Generator().manual_seed(0)
    logits_NC = 2 * torch.randn(clips, 5, generator=generator)
    labels_N = torch.multinomial(logits_NC.softmax(1), 1, generator=generator)[:, 0]
    return factor * logits_NC, labels_N


@pytest.mark.parametrize("factor", [0.7, 1.0, 3.0])
def test_the_temperature_is_found_and_mends_the_calibration(factor: float) -> None:
    logits_NC, labels_N = sure(factor)
    assert fit_temperature(logits_NC, labels_N) == pytest.approx(factor, rel=0.1)
    calibration = calibrate(Evaluation(logits_NC, labels_N))
    assert calibration["ece_valid"] < 0.03
    if factor > 2:
        assert calibration["ece_uncalibrated"] > 0.1


def test_calibration_error_of_known_cases() -> None:
    sure_and_wrong = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(sure_and_wrong, torch.tensor([1, 1])) == pytest.approx(1.0)
    assert calibration_error(sure_and_wrong, torch.tensor([0, 0])) == pytest.approx(0.0)
    assert calibration_error(torch.tensor([[0.75, 0.25]] * 4), torch.tensor([0, 0, 0, 1])) == pytest.approx(0.0)


def test_what_calibration_errors_chance_alone_brings() -> None:
    """With labels drawn from the probabilities, the error is the noise, and shrinks with the root of the clips."""
    probabilities_NC = torch.tensor([[0.7, 0.3]] * 400)
    assert calibration_noise(probabilities_NC) == pytest.approx(math.sqrt(2 / math.pi * 0.7 * 0.3 / 400), rel=0.1)
    assert calibration_noise(probabilities_NC[:100]) == pytest.approx(2 * calibration_noise(probabilities_NC), rel=0.15)
    drawn_N = torch.multinomial(probabilities_NC, 1, generator=torch.Generator().manual_seed(1))[:, 0]
    assert calibration_error(probabilities_NC, drawn_N) < 4 * calibration_noise(probabilities_NC)
    assert calibration_noise(torch.tensor([[1.0, 0.0]] * 5)) == 0.0


def test_an_evaluation_counts() -> None:
    logits_NC = torch.tensor([[2.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0], [2.0, 0, 0]])
    evaluation = Evaluation(logits_NC, torch.tensor([0, 0, 1, 1]))
    assert evaluation.accuracy == 0.75
    assert evaluation.confusion.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert evaluation.genre_accuracy == [1.0, 0.5, None]
