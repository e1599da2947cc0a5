"""What is heard, as a story of small events: plain structs without torch, for JSON lines between processes."""

import msgspec

from core.audio.live.source import State
from core.inference.types import Reason


class Heard(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="heard"):
    """The verdict on one window, and the smoothed one of all windows up to it. Seconds count from the sound's start."""

    start_s: float
    end_s: float
    genre: str
    probability: float
    probabilities: dict[str, float]
    uncertain: bool
    reason: Reason | None
    smoothed: dict[str, float]
    """Probabilities with older windows fading out: what bars show."""
    verdict: str | None
    """The likeliest genre of ``smoothed``; None where that is uncertain."""
    latency_s: float
    """From the arrival of the window's last sample to now."""


class Level(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="level"):
    """The latest stretch of sound, many times a second."""

    seconds: float
    """How much has been heard since the sound began."""
    peak_db: float
    level_db: float
    """Root mean square, in dB of full scale."""
    clipped: int
    """Samples at full scale."""
    filling: float
    """How much of the first window has come: from 0 to 1."""
    columns: list[bytes]
    """New columns of the spectrogram: see ``core.features.display_spectrogram.LiveSpectrum``."""


class SourceChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="source"):
    """How the source is, whenever that changes."""

    state: State
    text: str
    overruns: int
    """How many times sound was lost."""
    skipped: int
    """Windows that were not judged, to keep up with the sound."""


HeardEvent = Heard | Level | SourceChanged
