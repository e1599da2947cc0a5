"""The state of the Listen screen, reduced from the worker's messages and drawn on every poll."""

from collections import deque
from typing import NamedTuple

from core.audio.live.source import State
from core.inference.live_events import Level, LivePrediction, SourceChanged
from core.inference.types import Reason
from core.inference.workers.live_worker import Answer, DevicesFound, Failed, Opened, Saved
from core.util.jsonl_process import Refused

CLIP_SECONDS = 2.0
"""Seconds for which clipping is shown."""
PEAK_SECONDS = 1.5
"""Seconds for which the highest peak is held."""
COLUMNS_KEPT = 2000
HISTORY = 500


class HistoryEntry(NamedTuple):
    """An entry of the history. ``genre`` is None where the prediction was uncertain, for ``reason``."""

    since: float
    """In Unix seconds."""
    genre: str | None
    probability: float
    reason: Reason | None


class ListenState:
    """State of one listening screen. `take` is all that changes it; nothing here knows a widget."""

    def __init__(self) -> None:
        self.devices: DevicesFound | None = None
        self.history: deque[HistoryEntry] = deque(maxlen=HISTORY)
        self.news: deque[Saved | Refused] = deque()
        """Messages to show once."""
        self.begin()

    def begin(self) -> None:
        """Switch to another source: reset everything but the history."""
        self.opened: Opened | None = None
        self.source: SourceChanged | None = None
        self.trouble = ""
        self.silence()

    def silence(self) -> None:
        """Reset what belongs to the sound so far; the source stays."""
        self.level: Level | None = None
        self.prediction: LivePrediction | None = None
        self.peak_db = -120.0
        self.columns: deque[bytes] = deque(maxlen=COLUMNS_KEPT)
        self.columns_seen = 0
        """How many columns there have been in all."""
        self.hz: list[int] = []
        """Where each band of a column begins."""
        self._peak_at = self._clipped_at = float("-inf")

    @property
    def clipping(self) -> bool:
        return self.level is not None and self.level.seconds - self._clipped_at < CLIP_SECONDS

    @property
    def is_receiving(self) -> bool:
        """Whether there is sound to show."""
        return self.level is not None and self.source is not None and self.source.state is not State.WAITING

    def take(self, answer: Answer | Refused, now: float) -> None:
        """``now`` in Unix seconds."""
        match answer:
            case Level():
                self._take_level(answer)
            case LivePrediction():
                self._take_prediction(answer, now)
            case SourceChanged():
                self.source = answer
            case Opened():
                self.opened, self.trouble, self.prediction = answer, "", None  # a prediction belongs to its model
            case DevicesFound():
                self.devices = answer
            case Failed():
                self.begin()
                self.trouble = answer.error
            case Saved() | Refused():
                self.news.append(answer)

    def _take_level(self, level: Level) -> None:
        if self.level is not None and level.seconds < self.level.seconds:
            self.silence()
        if level.peak_db >= self.peak_db or level.seconds - self._peak_at > PEAK_SECONDS:
            self.peak_db, self._peak_at = level.peak_db, level.seconds
        if level.clipped:
            self._clipped_at = level.seconds
        self.columns.extend(level.columns)
        self.columns_seen += len(level.columns)
        self.hz = level.hz or self.hz
        self.level = level

    def _take_prediction(self, prediction: LivePrediction, now: float) -> None:
        self.prediction = prediction
        reason = None if prediction.smoothed_genre else prediction.reason or Reason.UNCLEAR
        entry = HistoryEntry(now, prediction.smoothed_genre, max(prediction.smoothed.values()), reason)
        if not self.history or (self.history[-1].genre, self.history[-1].reason) != (entry.genre, entry.reason):
            self.history.append(entry)
