"""Batch normalisation folded into the layer before it: once a network is trained, the two are one linear map."""

import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fold_batch_norms(model: nn.Module) -> None:
    """Changes a network in evaluation mode in place: the same function to rounding, with fewer passes over its data.

    Of every `nn.Sequential` in it, whatever its depth, the normalisations that follow a convolution or a linear layer
    are taken out.
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
