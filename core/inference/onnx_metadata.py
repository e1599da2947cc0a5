"""The metadata of exported models. Imports no torch."""

import hashlib

import msgspec

from core.features.settings import FrontEndSettings
from core.inference.backend import Calibration
from core.util.errors import UserError

FORMAT = "genre-tui model"
VERSION = 1
METADATA_KEY = "genre_tui"
LONGEST_WINDOW = 100_000_000
"""Most samples of a window; a longer one would only use memory."""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
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


def read_card(text: str, what: str) -> ModelCard:
    """
    Raises:
        UserError: the metadata is damaged; the message says where.
    """
    check_header(text, what)
    try:
        return msgspec.json.decode(text, type=ModelCard)
    except msgspec.ValidationError as error:
        raise UserError(f"the metadata in {what} is damaged: {error}") from error
