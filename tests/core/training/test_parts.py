"""The parts of training, each by itself."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.features.settings import FrontEndSettings
from core.models.registry import MODEL_NAMES, build_model
from core.training.loop.calibration import calibrate, calibration_error, calibration_noise, fit_temperature
from core.training.loop.evaluation import Evaluation
from core.training.loop.optim import WeightAverage, learning_rate
from core.training.loop.sampler import batch_bounds, random_windows, spaced_windows
from core.training.recipe import OptimiserSettings, Recipe
from core.training.run.callbacks import Throttle

COSINE = OptimiserSettings(learning_rate=1.0, schedule="cosine", warmup=0.1)


def test_cosine_rises_and_falls_to_nothing() -> None:
    rates = [learning_rate(COSINE, step, 100, 10) for step in range(101)]
    assert rates[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def test_an_extension_goes_on_at_the_place_on_the_longer_cosine() -> None:
    assert learning_rate(COSINE, 100, 200, 10) == pytest.approx(0.5 * (1 + math.cos(math.pi * 90 / 190)))
    assert learning_rate(COSINE, 5, 200, 10) == learning_rate(COSINE, 5, 100, 10)


def test_a_constant_rate_is_constant() -> None:
    assert {learning_rate(OptimiserSettings(), step, 10, 0) for step in range(10)} == {1e-3}


FRAMES = torch.tensor([100, 30, 64, 10, 500])


def test_random_windows_lie_inside_their_clips_and_use_every_clip() -> None:
    clips = torch.tensor([0, 1, 3, 4])
    windows = random_windows(clips, FRAMES, 30, 500, seed=0, epoch=1)
    assert torch.equal(windows.clip.bincount(minlength=5), torch.tensor([500, 500, 0, 500, 500]))
    for clip in clips.tolist():
        starts = windows.start[windows.clip == clip]
        room = max(0, int(FRAMES[clip]) - 30)
        assert 0 <= int(starts.min()) <= room * 0.05
        assert room * 0.95 <= int(starts.max()) <= room
        if room:
            assert abs(float(starts.double().mean()) - room / 2) < 0.1 * room


def test_every_start_is_drawn_in_the_end() -> None:
    windows = random_windows(torch.tensor([2]), FRAMES, 60, 500, seed=0, epoch=1)
    assert set(windows.start.tolist()) == {0, 1, 2, 3, 4}


def test_windows_depend_on_seed_and_epoch_alone() -> None:
    clips = torch.arange(5)

    def drawn(seed: int, epoch: int) -> list[int]:
        return random_windows(clips, FRAMES, 8, 20, seed, epoch).start.tolist()

    assert drawn(0, 1) == drawn(0, 1)
    assert len({tuple(drawn(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_spaced_windows_reach_from_the_beginning_to_the_end() -> None:
    windows = spaced_windows(torch.tensor([0, 3]), FRAMES, 20, 5)
    assert windows.clip.tolist() == [0] * 5 + [3] * 5
    assert windows.start.tolist() == [0, 20, 40, 60, 80, 0, 0, 0, 0, 0]
    assert spaced_windows(torch.tensor([0]), FRAMES, 20, 1).start.tolist() == [40]


@pytest.mark.parametrize("batch_size", [2, 3, 16])
@pytest.mark.parametrize("windows", [2, 3, 5, 16, 17, 33, 81, 800])
def test_no_batch_of_a_single_window(windows: int, batch_size: int) -> None:
    bounds = batch_bounds(windows, batch_size)
    sizes = [last - first for first, last in bounds]
    assert sum(sizes) == windows and bounds[0][0] == 0
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    assert min(sizes) >= 2 and max(sizes) - min(sizes) <= 1 and max(sizes) <= max(3, batch_size)


def test_an_average_forgets_where_it_began_and_follows() -> None:
    linear, norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
    model = nn.Sequential(linear, norm)
    average = WeightAverage(model, 0.99)
    with torch.no_grad():
        for weights in model.parameters():
            weights.fill_(1.0)
        norm.load_state_dict(norm.state_dict() | {"running_mean": torch.full((3,), 2.0)})
    for _ in range(60):
        average.update(model)
    assert all(torch.allclose(weights, torch.ones(()), atol=0.02) for weights in average.model.parameters())
    buffers = dict(average.model.named_buffers())
    assert torch.allclose(buffers["1.running_mean"], torch.tensor(2.0), atol=0.04)
    assert torch.equal(buffers["1.num_batches_tracked"], norm.state_dict()["num_batches_tracked"])


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


def test_reports_come_ten_a_second_and_fewer_in_a_long_run() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)

    def reports(seconds: float) -> int:
        nonlocal now
        count = 0
        for _ in range(round(seconds * 100)):
            now += 0.01
            count += throttle.due()
        return count

    assert 9 <= reports(1.0) <= 10
    reports(2000.0)
    assert 9 <= reports(10.0) <= 11


def test_weights_only_loading_runs_no_code(tmp_path: Path) -> None:
    from core.training.checkpoint import load_model
    from core.util.errors import UserError

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "model.pth"
    torch.save({"format": 1, "weights": Trap()}, path)
    with pytest.raises(UserError, match="damaged, or is not"):
        load_model(path, torch.device("cpu"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x80\x04garbage"])
def test_what_is_no_model_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    from core.training.checkpoint import load_model
    from core.util.errors import UserError

    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_model(path, torch.device("cpu"))
    assert "\n" not in str(error.value) and "model.pth" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"patience": 0}, "patience must be at least 1"),
        ({"crop_seconds": 0.3}, "crop_seconds must be at least 0.372, 16 frames"),
        ({"crop_seconds": math.nan}, "crop_seconds must be above 0"),
        ({"front_end": FrontEndSettings(seconds=0.3)}, "front_end.seconds must be at least 0.372"),
        ({"fit_seconds": math.nan}, "fit_seconds must be a number above 0"),
        ({"fit_seconds": math.inf}, "fit_seconds must be a number above 0"),
        ({"model_options": {"dropout": math.nan}}, "model_options.dropout must be a number"),
        *[({"model_options": {name: 4}}, f"cannot have {name}") for name in ("name", "n_mels", "genres", "frames")],
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Recipe(data="data", **changes)


def test_the_shortest_crop_that_a_recipe_takes_can_be_trained_on() -> None:
    recipe = Recipe(data="data", crop_seconds=16 * 512 / 22_050)
    assert recipe.input_frames == 16
    for name in MODEL_NAMES:
        model = build_model(name, n_mels=128, genres=2, frames=recipe.input_frames)
        assert model(torch.randn(2, 128, 16)).isfinite().all()
