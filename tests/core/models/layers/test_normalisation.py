"""A folded network is the same function, with less to do."""

import pytest
import torch
from torch import nn

from core.models.layers.normalisation import fuse_batch_norm
from core.models.registry import MODEL_NAMES, build_model


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_folded_network_says_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, n_mels=32, genres=4, frames=64)
    mel = -80 * torch.rand(8, 32, 64)
    for _ in range(3):
        model(mel)  # running statistics that are not those of a network that never saw anything
    model.eval()
    with torch.inference_mode():
        before = model(mel).clone()
        fuse_batch_norm(model)
        torch.testing.assert_close(model(mel), before, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())
