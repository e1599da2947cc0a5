"""The optimiser is torch's own, step for step, and brings no compiler along."""

import subprocess
import sys

import pytest
import torch

from core.training.loop.optim import OPTIMISERS, build_optimiser
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
