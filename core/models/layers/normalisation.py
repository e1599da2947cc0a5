"""Standardisation of log-mel input, and batch normalisation: initial statistics before training, fusion after it."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

FLATTEST_DB = 1e-3
"""Smallest deviation that a window is divided by."""


class Standardise(nn.Module):
    """Standardises log-mel input in dB by the mean and deviation of the training set.

    With ``per_window`` each window is first normalised by its own mean and deviation, over all bands and frames, which
    makes the network invariant to the level and the decibel scale of a recording.

    Attributes:
        mean, std: [n_mels], of the training set, in dB (with ``per_window`` in units of the window's deviation).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_mels: int, per_window: bool = False) -> None:
        """Args:
        n_mels: number of bands; 1 for a single mean and deviation of the whole spectrogram.
        """
        super().__init__()
        self.per_window = per_window
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """[B, M, T] → [B, M, T]."""
        if self.per_window:
            mel_BMT = own_scale(mel_BMT)
        return (mel_BMT - self.mean[:, None]) / self.std[:, None]

    @torch.no_grad()
    def fit(self, mel_NMT: Tensor) -> None:
        """Fit mean and deviation to windows of the training set [N, M, T], best of the length used in training."""
        if self.per_window:
            mel_NMT = own_scale(mel_NMT)
        over = (0, 2) if len(self.mean) > 1 else (0, 1, 2)
        std, mean = torch.std_mean(mel_NMT.float(), dim=over)
        self.mean.copy_(mean)
        # A constant band (such as one above the cut-off of an encoder) must not be amplified.
        self.std.copy_(std.clamp_min(1e-2 * float(std.max()) if float(std.max()) > 0 else 1.0))


def own_scale(mel_BMT: Tensor) -> Tensor:
    """Normalise each window to zero mean and unit variance over all bands and frames."""
    centred_BMT, std_B11 = centred_with_std(mel_BMT)
    return centred_BMT / std_B11.clamp_min(FLATTEST_DB)


def centred_with_std(mel_BMT: Tensor, times: int = 1) -> tuple[Tensor, Tensor]:
    """Each window minus its mean, and its deviation [B, 1, 1], as if the window were repeated ``times`` times."""
    # Not std_mean: its running update of the variance is several times slower on a CPU than a second pass.
    centred_BMT = mel_BMT - mel_BMT.mean((1, 2), keepdim=True)
    others = times * centred_BMT[0].numel() - 1
    return centred_BMT, (times * centred_BMT.square().sum((1, 2), keepdim=True) / others).sqrt()


class TwoViews(nn.Module):
    """Two level-invariant channels of a window: the window itself, and the window minus its mean spectrum.

    The first is `Standardise` with ``per_window``. The second subtracts each band's mean over the window, and with it
    the response of room, microphone and mastering (cepstral mean subtraction, Atal 1974).
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.standardise = Standardise(n_mels, per_window=True)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """[B, M, T] in dB → [B, 2, M, T]."""
        whole_BMT = self.standardise(mel_BMT)
        return torch.stack([whole_BMT, whole_BMT - whole_BMT.mean(2, keepdim=True)], dim=1)


def fit_standardisation(model: nn.Module, mel_NMT: Tensor) -> None:
    """Fit every `Standardise` of a network to windows of the training set [N, M, T] in dB."""
    for module in model.modules():
        if isinstance(module, Standardise):
            module.fit(mel_NMT)


def fuse_batch_norm(model: nn.Module) -> None:
    """Fuse batch normalisations into the preceding layers, in place, for evaluation; outputs are equal up to rounding.

    This applies to normalisations after a convolution or linear layer in any `nn.Sequential`, at any depth.
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
    """Initialise the running statistics of every batch normalisation from a batch [B ≥ 2, M, T] in dB.

    Running statistics move by a tenth per step. With five steps per epoch, as for a small dataset, the first epochs
    would be validated with initial values of 0 and 1. Training uses the statistics of each batch and is unaffected.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    model.train()
    model(mel_BMT)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
