"""The interface of a pretrained encoder. Suffixes: B windows, N samples, D numbers of an embedding."""

from torch import Tensor, nn


class Encoder(nn.Module):
    """Windows of sound → embeddings; its weights are frozen.

    Attributes:
        sample_rate: of the sound that it takes, in Hz.
        window_samples: samples of a window.
        dim: numbers of an embedding.
        exportable: whether it can be part of an ONNX file.
    """

    exportable = False
    sample_rate: int
    window_samples: int
    dim: int

    def forward(self, wave_BN: Tensor) -> Tensor:
        """Windows (B, window_samples) with full scale at 1, on the encoder's device → embeddings (B, dim) float32.

        Whatever the encoder does to sound before its first layer is part of it.
        """
        raise NotImplementedError
