"""The optimiser is torch's own, step for step, and brings no compiler along."""

import math
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import nn

from core.training.loop.optim import OPTIMISERS, WeightAverage, build_optimiser, learning_rate
from core.training.recipe import OptimiserSettings

STEP = """
import sys, torch
from core.training.loop.optim import build_optimiser
from core.training.recipe import OptimiserSettings
model = torch.nn.Linear(3, 3)
optimiser = build_optimiser(OptimiserSettings(), model.parameters(), fused=True)
model(torch.ones(2, 3)).sum().backward()
optimiser.step()
optimiser.zero_grad()
optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""


def trained(optimiser: torch.optim.Optimizer, model: torch.nn.Module) -> list[torch.Tensor]:
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        optimiser.zero_grad()
        model(x).square().mean().backward()
        optimiser.step()
    return [weights.detach() for weights in model.parameters()]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_it_steps_as_torch_does(name: str, fused: bool) -> None:
    settings = OptimiserSettings(name=name, learning_rate=0.1, weight_decay=0.1)  # type: ignore[arg-type]
    weights = []
    for ours in (True, False):
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 2)
        if ours:
            optimiser = build_optimiser(settings, model.parameters(), fused=fused)
        else:
            optimiser = OPTIMISERS[name](model.parameters(), lr=0.1, weight_decay=0.1, fused=fused)
        weights.append(trained(optimiser, model))
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_the_compiler_stays_away() -> None:
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


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
