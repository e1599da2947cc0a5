"""Batch normalisation: initial statistics before training, fusion into the previous layer after it."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fuse_batch_norm(model: nn.Module) -> None:
    """Fuses batch normalisations into the layers before them, in place, for evaluation; same outputs to rounding.

    In every `nn.Sequential`, at any depth, a normalisation after a convolution or a linear layer is removed.
    """
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for (name, layer), (next_name, following) in itertools.pairwise(list(sequence.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                setattr(sequence, name, fuse_conv_bn_eval(layer, following))
            elif isinstance(layer, nn.Linear) and isinstance(following, nn.BatchNorm1d):
                setattr(sequence, name, fuse_linear_bn_eval(layer, following))
            else:
                continue
            setattr(sequence, next_name, nn.Identity())


@torch.no_grad()
def init_batch_norm_stats(model: nn.Module, mel_BMT: Tensor) -> None:
    """Initialises every batch normalisation with the statistics of one batch [B ≥ 2, M, T] in dB instead of 0 and 1.

    Running statistics move by a tenth per step, and a small dataset has five steps per epoch: its first epochs would
    be validated with the initial statistics. Training uses the statistics of each batch and is unaffected.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    model.train()
    model(mel_BMT)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
