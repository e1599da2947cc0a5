"""The interface of pretrained encoders, and the input of networks on top of one.

That input is a window's log-mel spectrogram followed by columns that hold its embedding: a single tensor, so that
loader, training step and evaluation are the same as for other networks.

Suffixes: B windows, N samples, M mel bands, T frames, K columns, D numbers of an embedding.
"""

import torch.nn.functional as F
from torch import Tensor, cat, nn


class Encoder(nn.Module):
    """Windows of sound → embeddings; its weights are frozen.

    Attributes:
        sample_rate: the sample rate of its input in Hz.
        window_samples: samples of a window.
        dim: size of an embedding.
        exportable: whether it can be part of an ONNX file.
    """

    exportable = False
    sample_rate: int
    window_samples: int
    dim: int

    def forward(self, wave_BN: Tensor) -> Tensor:
        """Windows (B, window_samples) with full scale at 1, on the encoder's device → embeddings (B, dim) float32.

        Any feature extraction before the first layer is included.
        """
        raise NotImplementedError


def columns_of(dim: int, n_mels: int) -> int:
    """Number of columns of ``n_mels`` numbers that hold an embedding."""
    return -(-dim // n_mels)


def join(mel_BMT: Tensor, embedding_BD: Tensor) -> Tensor:
    """[B, M, T] and [B, D] → [B, M, T + K]; the last column is zero-padded."""
    windows, n_mels, _ = mel_BMT.shape
    columns = columns_of(embedding_BD.shape[1], n_mels)
    filled_BN = F.pad(embedding_BD, (0, columns * n_mels - embedding_BD.shape[1]))
    return cat([mel_BMT, filled_BN.view(windows, columns, n_mels).transpose(1, 2)], dim=2)


def split(joined_BMT: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The inverse of `join`."""
    columns = columns_of(dim, joined_BMT.shape[1])
    mel_BMT, columns_BMK = joined_BMT[:, :, :-columns], joined_BMT[:, :, -columns:]
    return mel_BMT, columns_BMK.transpose(1, 2).flatten(1)[:, :dim]
