"""The input of a network with an encoder: a window's log-mel spectrogram, followed by columns that hold its embedding.

One tensor, so that loader, training step and evaluation are those of every other network.

Suffixes: B windows, M mel bands, T frames, K columns, D numbers of an embedding.
"""

import torch.nn.functional as F
from torch import Tensor, cat


def columns_of(dim: int, n_mels: int) -> int:
    """Columns of ``n_mels`` numbers that hold an embedding."""
    return -(-dim // n_mels)


def join(mel_BMT: Tensor, embedding_BD: Tensor) -> Tensor:
    """[B, M, T] and [B, D] → [B, M, T + K]; the last column is filled up with zeros."""
    windows, n_mels, _ = mel_BMT.shape
    columns = columns_of(embedding_BD.shape[1], n_mels)
    filled_BN = F.pad(embedding_BD, (0, columns * n_mels - embedding_BD.shape[1]))
    return cat([mel_BMT, filled_BN.view(windows, columns, n_mels).transpose(1, 2)], dim=2)


def split(joined_BMT: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The two parts of what `join` gave."""
    columns = columns_of(dim, joined_BMT.shape[1])
    mel_BMT, columns_BMK = joined_BMT[:, :, :-columns], joined_BMT[:, :, -columns:]
    return mel_BMT, columns_BMK.transpose(1, 2).flatten(1)[:, :dim]
