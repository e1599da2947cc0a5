"""Events of live classification: plain structs, sent as JSON lines between processes. Imports no torch."""

import msgspec

from core.audio.live.source import State
from core.inference.types import Reason


class LivePrediction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="heard"):
    """The prediction for one window, and the smoothed one up to it. Seconds count from the start of the sound."""

    start_s: float
    end_s: float
    genre: str
    probability: float
    probabilities: dict[str, float]
    uncertain: bool
    reason: Reason | None
    smoothed: dict[str, float]
    """Moving average of the probabilities, which the bars show."""
    smoothed_genre: str | None = msgspec.field(name="verdict")
    """The likeliest genre of ``smoothed``; None if that is uncertain."""
    latency_s: float
    """Time since the arrival of the window's last sample."""


class Level(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="level"):
    """Level and spectrum of the latest sound, several times per second."""

    seconds: float
    """Length of the sound so far."""
    peak_db: float
    level_db: float
    """RMS level in dB relative to full scale."""
    clipped: int
    """Samples at full scale."""
    filling: float
    """Fraction of the first window that has arrived."""
    columns: list[bytes]
    """New columns of the spectrogram; see `core.features.display_spectrogram.LiveSpectrum`."""
    hz: list[int] = []
    """Lower edge of each band in Hz; only in the first event of a source."""


class SourceChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="source"):
    """The state of the source, sent whenever it changes."""

    state: State
    text: str
    overruns: int
    """How many times sound was lost."""
    skipped: int
    """Windows that were skipped to keep up with the sound."""


LiveEvent = LivePrediction | Level | SourceChanged
