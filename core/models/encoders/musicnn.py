"""musicnn (Pons & Serra 2019, "musicnn: pre-trained convolutional neural networks for music audio tagging").

Timbral filters span much of the spectrum and a few frames, temporal ones many frames of one band; both are followed by
the maximum over the bands. Then come three densely connected layers, maximum and mean over time, and a layer of 200
units, whose output is the embedding.

Suffixes: B windows, N samples, M mel bands, T frames, C channels, D numbers of an embedding.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.models.encoders.encoder import Encoder
from core.util.errors import UserError

MEL = FrontEndSettings(
    sample_rate=16_000, n_fft=512, hop_length=256, n_mels=96, mel_scale="slaney", mel_norm="slaney", seconds=3.0
)
FRAMES = 187
"""Frames that lie completely inside a window."""
COMPRESSION = 10_000.0
TIMBRAL_BANDS = (38, 67)
TIMBRAL_FRAMES = 7
TEMPORAL_FRAMES = (128, 64, 32)
TIMBRAL_CHANNELS, TEMPORAL_CHANNELS, MIDDLE_CHANNELS, UNITS, TAGS = 204, 51, 64, 200, 50
EPSILON = 1e-3
"""The epsilon of TensorFlow's batch normalisation."""


class ConvolutionBlock(nn.Module):
    """Convolution, ReLU and batch normalisation, in this order, over (frames, bands), padded to keep the frames."""

    def __init__(self, in_bands: int, frames: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, channels, (frames, in_bands))
        self.norm = nn.BatchNorm2d(channels, eps=EPSILON)
        self.padding = (0, 0, (frames - 1) // 2, frames // 2)

    def forward(self, x_B1TM: Tensor) -> Tensor:
        """[B, 1, T, M] → [B, C, T, M - in_bands + 1]."""
        normalised: Tensor = self.norm(F.relu(self.convolution(F.pad(x_B1TM, self.padding))))
        return normalised


class Musicnn(Encoder):
    exportable = True
    sample_rate = MEL.sample_rate
    window_samples = (FRAMES - 1) * MEL.hop_length + MEL.n_fft
    dim = UNITS

    def __init__(self) -> None:
        super().__init__()
        self.mel = FrontEnd(MEL)
        self.input_norm = nn.BatchNorm2d(1, eps=EPSILON)
        self.timbral = nn.ModuleList(
            ConvolutionBlock(bands, TIMBRAL_FRAMES, TIMBRAL_CHANNELS) for bands in TIMBRAL_BANDS
        )
        self.temporal = nn.ModuleList(ConvolutionBlock(1, frames, TEMPORAL_CHANNELS) for frames in TEMPORAL_FRAMES)
        front = len(TIMBRAL_BANDS) * TIMBRAL_CHANNELS + len(TEMPORAL_FRAMES) * TEMPORAL_CHANNELS
        inputs = (front, MIDDLE_CHANNELS, MIDDLE_CHANNELS)
        self.middle = nn.ModuleList(ConvolutionBlock(count, TIMBRAL_FRAMES, MIDDLE_CHANNELS) for count in inputs)
        pooled = 2 * (front + 3 * MIDDLE_CHANNELS)
        self.pooled_norm = nn.BatchNorm1d(pooled, eps=EPSILON)
        self.units = nn.Linear(pooled, UNITS)
        self.units_norm = nn.BatchNorm1d(UNITS, eps=EPSILON)
        self.tags = nn.Linear(UNITS, TAGS)

    @classmethod
    def load(cls, path: Path) -> "Musicnn":
        """Load the network from safetensors, on the CPU and ready for inference.

        Raises:
            UserError: the file is not readable, or holds other weights.
        """
        network = cls()
        try:
            missing, surplus = network.load_state_dict(load_file(path), strict=False)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UserError(f"{path} does not hold the weights of musicnn.") from error
        if surplus or any(_is_learnt(name) for name in missing):
            raise UserError(f"{path} does not hold the weights of musicnn.")
        return network.eval().requires_grad_(False)

    def forward(self, wave_BN: Tensor) -> Tensor:
        energies_BMT = self.mel.energies(wave_BN.float())[:, :, 1:-1]  # the outermost frames extend beyond the window
        return self.embed(torch.log10(COMPRESSION * energies_BMT + 1))

    def embed(self, mel_BMT: Tensor) -> Tensor:
        """Compressed mel energies [B, 96, T] → [B, 200]."""
        x_B1TM = self.input_norm(mel_BMT.transpose(1, 2)[:, None])
        channels = [block(x_B1TM).amax(3) for block in (*self.timbral, *self.temporal)]
        layers_BTC = [torch.cat(channels, dim=1).transpose(1, 2)]
        for block in self.middle:
            layer_BTC = block(layers_BTC[-1][:, None])[..., 0].transpose(1, 2)
            layers_BTC.append(layer_BTC if len(layers_BTC) == 1 else layer_BTC + layers_BTC[-1])
        dense_BTC = torch.cat(layers_BTC, dim=2)
        pooled_BC = torch.stack([dense_BTC.amax(1), dense_BTC.mean(1)], dim=2).flatten(1)
        embedding_BD: Tensor = self.units_norm(F.relu(self.units(self.pooled_norm(pooled_BC))))
        return embedding_BD

    def likelihoods(self, embedding_BD: Tensor) -> Tensor:
        """Likelihoods of the 50 tags of the training, [B, 50] in [0, 1]; only used to verify the port."""
        return torch.sigmoid(self.tags(embedding_BD))


def from_tensorflow(tensors: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Tensor]:
    """Convert the variables of the TensorFlow checkpoint to the weights of `Musicnn`.

    Raises:
        ValueError: a variable is missing or has another shape.
    """
    network = Musicnn()
    blocks = [*network.timbral, *network.temporal, *network.middle]
    names = {f"batch_normalization{_number(0)}": "input_norm"}
    for i, block in enumerate(blocks):
        prefix = next(name for name, module in network.named_modules() if module is block)
        names[f"conv2d{_number(i)}"] = f"{prefix}.convolution"
        names[f"batch_normalization{_number(i + 1)}"] = f"{prefix}.norm"
    names[f"batch_normalization{_number(len(blocks) + 1)}"] = "pooled_norm"
    names[f"batch_normalization{_number(len(blocks) + 2)}"] = "units_norm"
    names |= {"dense": "units", "dense_1": "tags"}

    weights = {}
    state = network.state_dict()
    for theirs, ours in names.items():
        for variable, parameter in VARIABLES.items():
            if (name := f"{ours}.{parameter}") not in state or (f"{theirs}/{variable}" not in tensors):
                continue
            values = np.asarray(tensors[f"{theirs}/{variable}"], dtype=np.float32)
            order = (3, 2, 0, 1) if values.ndim == 4 else (1, 0) if values.ndim == 2 else (0,)
            weights[name] = torch.from_numpy(values.transpose(order).copy())
    for name, expected in state.items():
        if _is_learnt(name) and (name not in weights or weights[name].shape != expected.shape):
            raise ValueError(f"it has no {name} of the shape {tuple(expected.shape)}")
    return weights


VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Names of variables in TensorFlow → in PyTorch."""


def _is_learnt(name: str) -> bool:
    """Whether a tensor of the network was learnt; the mel filters were not."""
    return not name.startswith("mel.") and not name.endswith("num_batches_tracked")


def _number(i: int) -> str:
    """TensorFlow's suffix for the layers of one kind: "", _1, _2, ..."""
    return f"_{i}" if i else ""
