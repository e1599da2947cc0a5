"""An exported ONNX model on ONNX Runtime: windows in, logits and OOD scores out, as with PyTorch; and its metadata."""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.features.settings import FrontEndSettings
from core.inference.backend import LONGEST_WINDOW, Calibration, Values, Waveform
from core.inference.windows import followed_by_silence, repeated
from core.models.registry import is_fixed_length
from core.util.errors import UserError, explained
from core.util.files import open_regular

FORMAT = "genre-tui model"
VERSION = 1
METADATA_KEY = "genre_tui"


class OnnxMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of an ONNX model under `METADATA_KEY`, as JSON."""

    format: str = FORMAT
    version: int = VERSION
    name: str
    network: str
    genres: list[str]
    front_end: FrontEndSettings
    calibration: Calibration
    window_samples: int
    digest: str = ""
    """See `digest_of`; empty in a model of an earlier version."""

    def __post_init__(self) -> None:
        if not 0 < self.window_samples <= LONGEST_WINDOW:
            raise ValueError(f"a window cannot have {self.window_samples:,} samples")


NO_DIGEST = "0" * 64


def digest_of(content: bytes, digest: str) -> str:
    """BLAKE2b of a model file's bytes with ``digest`` replaced by `NO_DIGEST`."""
    return hashlib.blake2b(content.replace(digest.encode(), NO_DIGEST.encode()), digest_size=32).hexdigest()


class _Header(msgspec.Struct):
    format: str
    version: int


def check_header(text: str | bytes, what: str) -> None:
    """Check the header of the metadata and ignore its other fields.

    Args:
        what: the name of the file in messages.

    Raises:
        UserError: it belongs to another program or a later version.
    """
    try:
        header = msgspec.json.decode(text, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{what} is not a model of genre-tui: its metadata has no format ({error})") from error
    if header.format != FORMAT:
        raise UserError(f"{what} is not a model of genre-tui: its format is {header.format!r}")
    if header.version > VERSION:
        raise UserError(f"{what} was written by a newer version of genre-tui (format {header.version})")


def read_metadata(text: str, what: str) -> OnnxMetadata:
    """Read the metadata of an ONNX model.

    Args:
        what: the name of the file in messages.

    Raises:
        UserError: the metadata is damaged; the message says where.
    """
    check_header(text, what)
    try:
        return msgspec.json.decode(text, type=OnnxMetadata)
    except msgspec.ValidationError as error:
        raise UserError(f"the metadata in {what} is damaged: {error}") from error


SUFFIX = ".onnx"
INPUT, LOGITS, PROBABILITIES, OOD_SCORE = "waveform", "logits", "probabilities", "unlikeness"
"""[batch, samples] → [batch, genres], [batch, genres], [batch]."""
BATCH = 16


class OnnxBackend:
    """A thread-safe `Backend` on ONNX Runtime."""

    def __init__(self, path: str | os.PathLike[str], device: str = "auto") -> None:
        """
        Raises:
            UserError: the file is missing, damaged, or was not exported by this program; or ONNX Runtime is not
                installed or does not support the device.
        """
        if find_spec("onnxruntime") is None:
            raise UserError("ONNX models need onnxruntime: pip install onnxruntime")
        content = _read(Path(path))
        self._session = _open(Path(path), content, _provider(device))
        metadata = read_metadata(self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, ""), str(path))
        self.settings, self.calibration = metadata.front_end, metadata.calibration
        self.genres, self.name, self.window_samples = metadata.genres, metadata.network, metadata.window_samples
        self.fixed_length = is_fixed_length(self.name)
        self.device = f"onnxruntime {_provider(device).removesuffix('ExecutionProvider').lower()}"
        if _signature(self._session) != {
            INPUT: (None, self.window_samples),
            LOGITS: (None, len(self.genres)),
            PROBABILITIES: (None, len(self.genres)),
            OOD_SCORE: (None,),
        }:
            raise UserError(f"the inputs and outputs of {path} do not match its metadata")
        if metadata.digest and digest_of(content, metadata.digest) != metadata.digest:
            raise UserError(f"{path} is damaged: its content does not match its checksum")

    def forward(self, *waves_BN: Waveform) -> tuple[Values, Values]:
        """As `Backend.forward`."""
        wave_BN = np.concatenate(waves_BN)
        logits, ood_score = self._run(repeated(wave_BN, self.window_samples))
        if self.fixed_length and wave_BN.shape[1] < self.window_samples:
            logits, _ = self._run(followed_by_silence(wave_BN, self.window_samples))
        return logits, ood_score

    def _run(self, wave_BN: Waveform) -> tuple[Values, Values]:
        answers = [
            self._session.run([LOGITS, OOD_SCORE], {INPUT: wave_BN[i : i + BATCH]})
            for i in range(0, len(wave_BN), BATCH)
        ]
        logits, ood_score = zip(*answers, strict=True)
        return np.concatenate(logits).astype(np.float64), np.concatenate(ood_score).astype(np.float64)


def _read(path: Path) -> bytes:
    with explained(f"{path} cannot be read"), os.fdopen(open_regular(path), "rb") as file:
        content = file.read()
    # The protobuf key of references to external files. ONNX Runtime would search them in the current folder, because
    # the model is loaded from memory.
    if b"\x0a\x08location" in content or b"external_data" in content:
        raise UserError(f"{path} refers to other files for its weights; export it as a single file")
    return content


def _open(path: Path, content: bytes, provider: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the exception contains the reason
    try:
        return onnxruntime.InferenceSession(content, options, providers=[provider])
    except Exception as error:  # ONNX Runtime raises many different classes for damaged models
        if any(phrase in str(error) for phrase in ("Opset", "opset", "IR version")):
            raise UserError(f"{path} does not run on onnxruntime {onnxruntime.__version__}; export it again") from error
        raise UserError(f"{path} is damaged, or is not an ONNX model") from error


def _provider(device: str) -> str:
    import onnxruntime

    wanted = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if device not in ("auto", "cpu") and wanted not in onnxruntime.get_available_providers()[:-1]:
        raise UserError(f"onnxruntime has no device {device!r} here; use --device cpu")
    return wanted


def _signature(session: Any) -> dict[str, tuple[int | None, ...]]:
    """Inputs and outputs by name, with their shapes; None means any size."""
    return {
        value.name: tuple(size if isinstance(size, int) else None for size in value.shape)
        for value in (*session.get_inputs(), *session.get_outputs())
    }
