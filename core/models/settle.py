"""Running statistics of batch normalisation that are right from the first step on."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def settle_batch_norm(model: nn.Module, mel_BMT: Tensor) -> None:
    """Starts every batch normalisation from the statistics of one batch [B ≥ 2, M, T] in dB, instead of from 0 and 1.

    The running mean moves by a tenth a step, and a small dataset has five steps an epoch: without this its first
    epochs were validated with statistics of nothing. Training itself uses those of each batch and is not touched.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    model.train()
    model(mel_BMT)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
