"""The backend for trained models on a PyTorch device."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.inference.backend import LONGEST_WINDOW, Calibration, Values, Waveform
from core.inference.cuda_graph import CudaGraphForward
from core.inference.nearest import RememberedClips
from core.inference.windows import followed_by_silence, repeated
from core.models.encoders.encoder import join
from core.models.encoders.load import load_encoder
from core.models.layers.int8_conv import has_int8
from core.models.layers.normalisation import fuse_batch_norm
from core.models.networks.expert_ensemble import leave_out_empty_places
from core.models.networks.residual_cnn import convolve_in_low_precision
from core.models.ood import WINDOW_SECONDS
from core.models.registry import is_fixed_length
from core.training.checkpoint import load_model
from core.training.loop.precision import has_bfloat16
from core.util.device import choose_device
from core.util.errors import UserError

BATCH_SAMPLES = 96 * 66_150
"""Samples per batch, 96 windows of 3 s: larger batches are not faster on a CPU and take more memory."""
CUDA_BATCH_SAMPLES = 128 * 66_150
"""On CUDA a batch is padded to a power of two, and one that `WindowBatch` sends should not be divided."""


class TorchBackend:
    """Front end, encoder if the model has one, network and OOD detector.

    A thread-safe `Backend`."""

    def __init__(self, path: Path, device: str = "auto", *, full_precision: bool = False) -> None:
        """Args:
        full_precision: convolve in float32 even if the CPU is faster in bfloat16 or int8.

        Raises:
            UserError: the file is missing, damaged or not a model, or its encoder or the device is missing.
        """
        trained = load_model(path, choose_device(device))
        self.device = next(trained.model.parameters()).device
        if self.device.type == "cpu" and has_bfloat16(self.device) and not full_precision:
            convolve_in_low_precision(trained.model, int8=has_int8())
        fuse_batch_norm(trained.model)
        leave_out_empty_places(trained.model)
        self.settings: FrontEndSettings = trained.front_end
        self.genres = trained.genres
        self.name = trained.recipe.model
        self.learnt = trained.dataset.learnt
        self.remembered = RememberedClips.of(trained.model, trained.dataset, trained.genres)
        # channels_last halves the time of convolution and pooling on a CPU and gives the same results.
        in_memory = torch.preserve_format if self.device.type == "mps" else torch.channels_last
        self.model = trained.model.to(memory_format=in_memory)  # type: ignore[call-overload]
        self.front_end = FrontEnd(self.settings).to(self.device).eval()
        wanted = trained.recipe.encoder
        self.encoder = None if wanted is None else load_encoder(wanted, self.device)
        self.fixed_length = is_fixed_length(self.name)
        if wanted is not None:
            self.window_samples = wanted.window_samples
        elif not self.fixed_length:
            # With a long hop, three seconds have too few frames.
            least = (trained.recipe.least_crop_frames - 1) * self.settings.hop_length
            self.window_samples = max(round(WINDOW_SECONDS * self.settings.sample_rate), least)
        elif trained.recipe.crop_seconds:
            self.window_samples = (trained.recipe.input_frames - 1) * self.settings.hop_length
        else:
            self.window_samples = self.settings.samples
        if self.window_samples > LONGEST_WINDOW:
            raise UserError(f"{path} is damaged: a window cannot have {self.window_samples:,} samples.")
        self.calibration = Calibration.of(trained.calibration)
        ood_detector = self.calibration.ood_detector(self.settings)
        self.ood_detector = None if ood_detector is None else ood_detector.to(self.device)
        on_cuda = self.device.type == "cuda"
        samples = CUDA_BATCH_SAMPLES if on_cuda else BATCH_SAMPLES
        self._most = max(1, samples // self.window_samples)
        self._graph: CudaGraphForward | None = None
        if on_cuda and self.encoder is None:  # an encoder may synchronise
            self._graph = CudaGraphForward(
                lambda wave_BN: self.on_device([wave_BN]),
                self.device,
                most=self._most,
                samples=self.window_samples,
                columns=len(self.genres) + 1,
            )

    @torch.inference_mode()
    def forward(self, *waves_BN: Waveform) -> tuple[Values, Values]:
        """Windows (B, N) of one length, at most ``window_samples``, in one or more arrays → logits (B, C), scores (B,).

        The scores are distances from the training windows in units of the threshold; 0 without a threshold.
        """
        values = []
        for parts_BN in _batches(waves_BN, self._most):
            whole_BN = [repeated(part_BN, self.window_samples) for part_BN in parts_BN]
            padded_BN = None
            if self.fixed_length and parts_BN[0].shape[1] < self.window_samples:
                padded_BN = self._moved([followed_by_silence(part_BN, self.window_samples) for part_BN in parts_BN])
            # A graph cannot give what is collected beside the values.
            watched = self.remembered is not None and self.remembered.is_watching
            if self._graph is not None and padded_BN is None and not watched:
                values.append(self._graph(whole_BN))
            else:
                values.append(self.on_device(self._moved(whole_BN), padded_BN).cpu())
        values_BX = torch.cat(values).double().numpy()
        return values_BX[:, :-1], values_BX[:, -1]

    def on_device(self, waves_BN: Sequence[Tensor], padded_BN: Sequence[Tensor] | None = None) -> Tensor:
        """Windows (B, N) on the device → logits and OOD score (B, C + 1) float32: the part that can be captured.

        Args:
            padded_BN: the same windows for the network alone, if it was trained on silence after short sounds.
        """
        mel_BMT = self._log_mel(waves_BN)
        ood_score_B = mel_BMT.new_zeros(len(mel_BMT)) if self.ood_detector is None else self.ood_detector(mel_BMT)
        if self.encoder is not None:
            mel_BMT = join(mel_BMT, torch.cat([self.encoder(wave_BN) for wave_BN in waves_BN]))
        logits_BC = self.model(mel_BMT if padded_BN is None else self._log_mel(padded_BN))
        return torch.cat([logits_BC.float(), ood_score_B[:, None]], dim=1)

    def _log_mel(self, waves_BN: Sequence[Tensor]) -> Tensor:
        return torch.cat([self.front_end(wave_BN) for wave_BN in waves_BN])

    def _moved(self, waves_BN: Sequence[Waveform]) -> list[Tensor]:
        """The windows on the device: in one tensor on an accelerator, without copying on a CPU."""
        if self.device.type == "cpu":
            return [torch.from_numpy(wave_BN) for wave_BN in waves_BN]
        return [torch.from_numpy(np.concatenate(waves_BN)).to(self.device)]


def _batches(waves_BN: Sequence[Waveform], most: int) -> Iterator[list[Waveform]]:
    """Split windows into batches of at most ``most``, in order."""
    batch: list[Waveform] = []
    room = most
    for wave_BN in waves_BN:
        while len(wave_BN):
            batch.append(wave_BN[:room])
            wave_BN, room = wave_BN[room:], room - len(batch[-1])
            if not room:
                yield batch
                batch, room = [], most
    if batch:
        yield batch
