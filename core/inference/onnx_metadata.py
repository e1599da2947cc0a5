"""What is written into an exported model, so that it can be used, and told from any other. Imports no torch."""

import hashlib

import msgspec

from core.features.settings import FrontEndSettings
from core.inference.calibration import Calibration
from core.util.errors import UserError

FORMAT = "genre-tui model"
VERSION = 1
METADATA_KEY = "genre_tui"
LONGEST_WINDOW = 100_000_000
"""Samples; a longer window would only take memory."""


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
    """BLAKE2b of a model file's bytes with ``digest``, which is among them, replaced by `NO_DIGEST`."""
    return hashlib.blake2b(content.replace(digest.encode(), NO_DIGEST.encode()), digest_size=32).hexdigest()


class _Header(msgspec.Struct):
    format: str
    version: int


def check_header(text: str | bytes, what: str) -> None:
    """Whether JSON begins as ours does, whatever else is in it.

    Args:
        what: the file, for messages.

    Raises:
        UserError: it is another program's, or a later version's.
    """
    try:
        header = msgspec.json.decode(text, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{what} is no model of genre-tui: it does not say what it is ({error})") from error
    if header.format != FORMAT:
        raise UserError(f"{what} is no model of genre-tui: it is a {header.format!r}")
    if header.version > VERSION:
        raise UserError(f"{what} was written by a newer version of genre-tui (format {header.version})")


def read_card(text: str, what: str) -> ModelCard:
    """
    Raises:
        UserError: it is no card, or a damaged one; the message says where.
    """
    check_header(text, what)
    try:
        return msgspec.json.decode(text, type=ModelCard)
    except msgspec.ValidationError as error:
        raise UserError(f"the description in {what} is damaged: {error}") from error
