"""Encoders of the library `transformers`: AST and MAEST, CLAP's audio tower, wav2vec 2.0, HuBERT and WavLM.

The library's feature extractors work clip by clip on a CPU; they are reimplemented here for batches on any device, and
tests compare the embeddings. Every network is a class of the library, so no code of a checkpoint is executed.

Suffixes: B windows, N samples, K samples of a frame, F frequencies, M mel bands, T frames, D numbers of an embedding.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import EncoderSettings, FrontEndSettings
from core.features.torchaudio_import import torchaudio
from core.models.encoders.checkpoint_folder import (
    AST,
    CLAP,
    CONFIG,
    KALDI_HOP,
    KALDI_WINDOW,
    MAEST_HOP,
    PREPROCESSOR,
    is_maest,
    read_json,
)
from core.models.encoders.encoder import Encoder
from core.util.errors import UserError, first_line
from core.util.text import printable

CLASSES = {
    AST: "ASTModel",
    "maest": "ASTModel",
    CLAP[0]: "ClapAudioModelWithProjection",
    CLAP[1]: "ClapAudioModelWithProjection",
    "wav2vec2": "Wav2Vec2Model",
    "hubert": "HubertModel",
    "wavlm": "WavLMModel",
}
NOT_NEEDED = ("masked_spec_embed",)
"""Weights that only training needs and some checkpoints lack."""
PREEMPHASIS = 0.97
SMALLEST = 1.1920928955078125e-07
"""Floor of Kaldi's mel energies: the epsilon of float32."""


class TransformersEncoder(Encoder):
    """A network of the library with its feature extraction."""

    def __init__(self, prepare: nn.Module, network: nn.Module, settings: EncoderSettings, output: str) -> None:
        """Args:
        prepare: windows (B, N) → the network's input.
        output: name of the network's output that is the embedding, averaged over time if it has a time axis.
        """
        super().__init__()
        self.sample_rate, self.window_samples, self.dim = settings.sample_rate, settings.window_samples, settings.dim
        self.prepare = prepare
        self.network = network
        self.output = output

    def forward(self, wave_BN: Tensor) -> Tensor:
        embedding: Tensor = getattr(self.network(self.prepare(wave_BN.float())), self.output)
        return embedding.mean(1) if embedding.ndim == 3 else embedding


class KaldiMel(nn.Module):
    """The log-mel filterbank of Kaldi, as `ASTFeatureExtractor` computes it: (B, N) → (B, T, M), standardised."""

    window: Tensor
    filters: Tensor

    def __init__(self, rate: int, n_mels: int, mean: float, std: float) -> None:
        super().__init__()
        self.length, self.hop = round(KALDI_WINDOW * rate), round(KALDI_HOP * rate)
        self.n_fft = 1 << (self.length - 1).bit_length()
        self.mean, self.std = mean, std
        filters_MF, _ = torchaudio.compliance.kaldi.get_mel_banks(
            n_mels, self.n_fft, rate, 20.0, 0.0, 100.0, -500.0, 1.0
        )
        self.register_buffer("filters", F.pad(filters_MF, (0, 1)).T)  # the highest frequency is not used
        self.register_buffer("window", torch.hann_window(self.length, periodic=False))

    def forward(self, wave_BN: Tensor) -> Tensor:
        frames_BTK = wave_BN.unfold(1, self.length, self.hop)
        frames_BTK = frames_BTK - frames_BTK.mean(2, keepdim=True)
        before_BTK = torch.cat([frames_BTK[..., :1], frames_BTK[..., :-1]], dim=2)
        frames_BTK = (frames_BTK - PREEMPHASIS * before_BTK) * self.window
        power_BTF = torch.fft.rfft(frames_BTK, self.n_fft).abs().square()
        mel_BTM = (power_BTF @ self.filters).clamp_min(SMALLEST).log()
        standardised_BTM: Tensor = (mel_BTM - self.mean) / (2 * self.std)
        return standardised_BTM


class MaestMel(nn.Module):
    """The compressed mel energies of MAEST: (B, N) → (B, T, M), standardised."""

    def __init__(self, rate: int, n_mels: int, mean: float, std: float) -> None:
        super().__init__()
        self.mel = FrontEnd(
            FrontEndSettings(
                sample_rate=rate,
                n_fft=2 * MAEST_HOP,
                hop_length=MAEST_HOP,
                n_mels=n_mels,
                mel_scale="slaney",
                mel_norm="slaney",
            )
        )
        self.mean, self.std = mean, std

    def forward(self, wave_BN: Tensor) -> Tensor:
        mel_BTM = torch.log10(1 + 10_000 * self.mel.energies(wave_BN)).transpose(1, 2)
        return (mel_BTM - self.mean) / (2 * self.std)


class ClapMel(nn.Module):
    """The log-mel spectrogram of CLAP in dB: (B, N) → (B, 1, T, M)."""

    window: Tensor
    filters: Tensor

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        self.n_fft, self.hop = extractor.fft_window_size, extractor.hop_length
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters_slaney).float())
        self.register_buffer("window", torch.hann_window(self.n_fft))

    def forward(self, wave_BN: Tensor) -> Tensor:
        spectrum_BFT = torch.stft(wave_BN, self.n_fft, self.hop, window=self.window, return_complex=True)
        mel_BTM = spectrum_BFT.abs().square().transpose(1, 2) @ self.filters
        return 10 * mel_BTM.clamp_min(1e-10).log10()[:, None]


class ZeroMeanUnitVariance(nn.Module):
    """Standardises the waveform, as the speech networks expect it."""

    def forward(self, wave_BN: Tensor) -> Tensor:
        variance_B1, mean_B1 = torch.var_mean(wave_BN, dim=1, keepdim=True, correction=0)
        return (wave_BN - mean_B1) / (variance_B1 + 1e-7).sqrt()


def load_checkpoint(folder: Path, settings: EncoderSettings) -> Encoder:
    """Load the encoder in a folder that `settings_of` has accepted, on the CPU.

    Raises:
        UserError: the library is not installed, or the checkpoint is damaged.
    """
    if find_spec("transformers") is None:
        raise UserError(f"The encoder {settings.name} needs the library transformers: pip install transformers")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config, sound = read_json(folder / CONFIG), read_json(folder / PREPROCESSOR)
    try:
        prepare = _preparation(folder, config, sound, settings)
        network, report = getattr(transformers, CLASSES[config["model_type"]]).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
    except Exception as error:  # the library may raise anything for a damaged checkpoint
        why = printable(first_line(error))
        raise UserError(f"The encoder in {printable(folder)} cannot be loaded: {why}.") from error
    missing = [name for name in report["missing_keys"] if not name.endswith(NOT_NEEDED)]
    if missing or report["mismatched_keys"]:
        example = missing[0] if missing else report["mismatched_keys"][0]
        raise UserError(f"The weights in {printable(folder)} are incomplete: {printable(str(example))} is missing.")
    if broken := next((name for name, value in network.state_dict().items() if not value.isfinite().all()), None):
        raise UserError(f"The weights in {printable(folder)} are damaged: {printable(broken)} is NaN or infinite.")
    kind = config["model_type"]
    output = "audio_embeds" if kind in CLAP else "pooler_output" if CLASSES[kind] == "ASTModel" else "last_hidden_state"
    return TransformersEncoder(prepare, network, settings, output).eval().requires_grad_(False)


def _preparation(folder: Path, config: dict[str, Any], sound: dict[str, Any], settings: EncoderSettings) -> nn.Module:
    import transformers

    kind = config["model_type"]
    if kind in CLAP:
        return ClapMel(transformers.ClapFeatureExtractor.from_pretrained(folder))
    if CLASSES[kind] == "ASTModel":
        maest = is_maest(config, sound)
        defaults = (2.06755686098554, 1.268292820667291) if maest else (-4.2677393, 4.5689974)
        mean, std = float(sound.get("mean", defaults[0])), float(sound.get("std", defaults[1]))
        if not sound.get("do_normalize", True):
            mean, std = 0.0, 0.5
        n_mels = int(sound.get("num_mel_bins", 96 if maest else 128))
        return (MaestMel if maest else KaldiMel)(settings.sample_rate, n_mels, mean, std)
    return ZeroMeanUnitVariance() if sound.get("do_normalize", True) else nn.Identity()
