"""Exporting a model as ONNX, from waveform to calibrated probabilities."""

import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.inference.onnx_backend import (
    INPUT,
    LOGITS,
    METADATA_KEY,
    NO_DIGEST,
    OOD_SCORE,
    PROBABILITIES,
    OnnxMetadata,
    digest_of,
)
from core.inference.torch_backend import TorchBackend
from core.models.encoders.encoder import join
from core.util.atomic import output_path
from core.util.errors import UserError, explained

OPSET = 18


class RealFrontEnd(FrontEnd):
    """`FrontEnd` without complex numbers, which many runtimes lack: every filter is a windowed cosine or sine.

    The results are equal up to rounding, at several times the cost of a fast Fourier transform.

    Attributes:
        bases: [2 F, 1, n_fft], a cosine and a sine for each frequency.
    """

    bases: Tensor

    def __init__(self, settings: FrontEndSettings) -> None:
        super().__init__(settings)
        n = torch.arange(settings.n_fft, dtype=torch.float64)
        k = torch.arange(settings.n_fft // 2 + 1, dtype=torch.float64)
        # The product is reduced first, because the cosine of a large number is inaccurate.
        angle_FN = 2 * torch.pi / settings.n_fft * (torch.outer(k, n) % settings.n_fft)
        window_N = torch.hann_window(settings.n_fft, dtype=torch.float64)
        bases_F2N = torch.stack([angle_FN.cos(), angle_FN.sin()], dim=1) * window_N
        self.register_buffer("bases", bases_F2N.flatten(0, 1)[:, None].float())
        del self.spectrogram

    def energies(self, wave_BN: Tensor) -> Tensor:
        return self._energies_at_once(wave_BN)

    def spectrum(self, wave_BN: Tensor) -> Tensor:
        parts_BTK = F.conv1d(wave_BN[:, None], self.bases, stride=self.settings.hop_length).transpose(1, 2)
        return parts_BTK.reshape(parts_BTK.shape[0], parts_BTK.shape[1], -1, 2)


def with_real_front_ends(module: nn.Module) -> nn.Module:
    """Replace every `FrontEnd` in ``module`` by a `RealFrontEnd`, in place."""
    for name, child in module.named_children():
        if isinstance(child, FrontEnd):
            setattr(module, name, RealFrontEnd(child.settings))
        else:
            with_real_front_ends(child)
    return module


class WholeModel(nn.Module):
    """Front end, encoder, network, calibration and out-of-distribution detector in one module."""

    def __init__(self, network: TorchBackend) -> None:
        super().__init__()
        self.front_end = RealFrontEnd(network.settings)
        self.encoder = None if network.encoder is None else with_real_front_ends(network.encoder)
        self.model, self.ood_detector = network.model, network.ood_detector
        self.temperature = network.calibration.temperature

    def forward(self, wave_BN: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows (B, N) → logits (B, C), probabilities (B, C), ood_score (B,)."""
        mel_BMT = self.front_end(wave_BN)
        logits_BC = self.model(mel_BMT if self.encoder is None else join(mel_BMT, self.encoder(wave_BN)))
        ood_score_B = torch.zeros_like(wave_BN[:, 0]) if self.ood_detector is None else self.ood_detector(mel_BMT)
        return logits_BC, torch.softmax(logits_BC / self.temperature, dim=1), ood_score_B


def export_onnx(model_path: Path, name: str, out: Path) -> None:
    """Export the model file at ``model_path`` to ``out``, for windows of one length in batches of any size.

    Raises:
        UserError: it is not a model, packages for exporting are missing, or ``out`` cannot be written.
    """
    missing = [module for module in ("onnx", "onnxscript") if find_spec(module) is None]
    if missing:
        raise UserError(f"ONNX export needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    network = TorchBackend(model_path, "cpu", full_precision=True)
    if network.encoder is not None and not network.encoder.exportable:
        raise UserError("The encoder of this model cannot be part of an ONNX file: export an archive, NAME.zip")
    metadata = OnnxMetadata(
        name=name,
        network=network.name,
        genres=network.genres,
        front_end=network.settings,
        calibration=network.calibration,
        window_samples=network.window_samples,
        digest=NO_DIGEST,
    )
    program = _exported(WholeModel(network).eval(), torch.zeros(2, network.window_samples))
    program.model.metadata_props[METADATA_KEY] = msgspec.json.encode(metadata).decode()
    with explained(f"{out} cannot be written"), output_path(out) as temporary:
        program.save(os.fspath(temporary))
        content = temporary.read_bytes()
        digest = digest_of(content, NO_DIGEST)
        temporary.write_bytes(content.replace(NO_DIGEST.encode(), digest.encode()))


def _exported(model: nn.Module, wave_BN: Tensor) -> torch.onnx.ONNXProgram:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # it warns about missing optional packages
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                (wave_BN,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[LOGITS, PROBABILITIES, OOD_SCORE],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                optimize=False,  # ONNX Runtime optimises the model when loading it
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None  # it is None only for the old exporter
    return program
