"""Exporting a model as ONNX: waveform in, calibrated probabilities out, front end included."""

import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from core.export.real_front_end import RealFrontEnd, with_real_front_ends
from core.inference.onnx_backend import INPUT, LOGITS, OOD_SCORE, PROBABILITIES
from core.inference.onnx_metadata import METADATA_KEY, NO_DIGEST, ModelCard, digest_of
from core.inference.torch_backend import TorchBackend
from core.models.encoders.joined import join
from core.util.atomic import replacing
from core.util.errors import UserError

OPSET = 18


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
    """Writes the model file at ``model_path`` as ONNX to ``out``: windows of one length, in batches of any size.

    Raises:
        UserError: it is not a model, the packages that export needs are not installed, or ``out`` cannot be written.
    """
    missing = [module for module in ("onnx", "onnxscript") if find_spec(module) is None]
    if missing:
        raise UserError(f"ONNX export needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    network = TorchBackend(model_path, "cpu", full_precision=True)
    if network.encoder is not None and not network.encoder.exportable:
        raise UserError("The encoder of this model cannot be part of an ONNX file: export an archive, NAME.zip")
    card = ModelCard(
        name=name,
        network=network.name,
        genres=network.genres,
        front_end=network.settings,
        calibration=network.calibration,
        window_samples=network.window_samples,
        digest=NO_DIGEST,
    )
    program = _exported(WholeModel(network).eval(), torch.zeros(2, network.window_samples))
    program.model.metadata_props[METADATA_KEY] = msgspec.json.encode(card).decode()
    try:
        with replacing(out) as temporary:
            program.save(os.fspath(temporary))
            content = temporary.read_bytes()
            digest = digest_of(content, NO_DIGEST)
            temporary.write_bytes(content.replace(NO_DIGEST.encode(), digest.encode()))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error


def _exported(model: nn.Module, wave_BN: Tensor) -> torch.onnx.ONNXProgram:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # it reports every missing optional package
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
                optimize=False,  # ONNX Runtime does that itself when it loads the model
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None  # None is what the former exporter returns
    return program
