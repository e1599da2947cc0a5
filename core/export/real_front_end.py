"""The front end without complex numbers, for runtimes that do not support them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings


class RealFrontEnd(FrontEnd):
    """`FrontEnd` with the transform as a convolution: every filter is one windowed cosine or sine.

    The same numbers to rounding, at several times the arithmetic of a fast transform, in operators that every
    runtime has.

    Attributes:
        bases: [2 F, 1, n_fft], a cosine and a sine for each frequency.
    """

    bases: Tensor

    def __init__(self, settings: FrontEndSettings) -> None:
        super().__init__(settings)
        n = torch.arange(settings.n_fft, dtype=torch.float64)
        k = torch.arange(settings.n_fft // 2 + 1, dtype=torch.float64)
        # The product is reduced first: the cosine of a large number is inaccurate.
        angle_FN = 2 * torch.pi / settings.n_fft * (torch.outer(k, n) % settings.n_fft)
        window_N = torch.hann_window(settings.n_fft, dtype=torch.float64)
        bases_F2N = torch.stack([angle_FN.cos(), angle_FN.sin()], dim=1) * window_N
        self.register_buffer("bases", bases_F2N.flatten(0, 1)[:, None].float())
        del self.spectrogram

    def spectrum(self, wave_BN: Tensor) -> Tensor:
        parts_BTK = F.conv1d(wave_BN[:, None], self.bases, stride=self.settings.hop_length).transpose(1, 2)
        return parts_BTK.reshape(parts_BTK.shape[0], parts_BTK.shape[1], -1, 2)


def with_real_front_ends(module: nn.Module) -> nn.Module:
    """``module``, in which every `FrontEnd` has become a `RealFrontEnd`, in place."""
    for name, child in module.named_children():
        if isinstance(child, FrontEnd):
            setattr(module, name, RealFrontEnd(child.settings))
        else:
            with_real_front_ends(child)
    return module
