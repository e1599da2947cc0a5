"""Classifying a live source: predictions, levels and spectrum as events."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from core.audio.live.source import Chunk, EndOfSound, RingBuffer, Source, State
from core.features.display_spectrogram import LiveSpectrum
from core.inference.classifier import LARGEST_OVERLAP, Classifier, Stream
from core.inference.live_events import Level, LiveEvent, LivePrediction, SourceChanged
from core.inference.types import Reason, Segment, rounded
from core.util.atomic import replacing
from core.util.errors import UserError, explained

HALF_LIFE_SECONDS = 2.0


class EMA:
    """Exponential moving average of probabilities with a half-life in seconds."""

    def __init__(self, half_life: float = HALF_LIFE_SECONDS) -> None:
        self._half_life = half_life
        self._smoothed: dict[str, float] = {}
        self._at = 0.0

    def update(self, probabilities: dict[str, float], at: float) -> dict[str, float]:
        """Add a prediction at time ``at`` in seconds; returns the average."""
        if not self._smoothed:
            self._smoothed = dict(probabilities)
        old = 0.5 ** (max(0.0, at - self._at) / self._half_life)
        self._at = at
        self._smoothed = {genre: old * self._smoothed[genre] + (1 - old) * p for genre, p in probabilities.items()}
        return self._smoothed


TICK_SECONDS = 0.05
COLUMNS_PER_SECOND = 20.0
REFRESH_SECONDS = 0.4
"""Seconds between windows, so that the bars move at least twice per second."""
KEPT_SECONDS = 60.0
CLIPPED = 0.999


def overlap_for(window_seconds: float) -> float:
    """The overlap with which a window begins every `REFRESH_SECONDS`."""
    return min(max(0.0, 1 - REFRESH_SECONDS / window_seconds), LARGEST_OVERLAP)


class LiveClassifier:
    """Reads a source and yields events. The other methods may be called from other threads."""

    def __init__(self, source: Source, classifier: Classifier, *, overlap: float, keep_up: bool) -> None:
        """Args:
        overlap: fraction by which consecutive windows overlap.
        keep_up: whether windows are skipped to keep up with live sound.
        """
        self._source, self._classifier = source, classifier
        self._overlap, self._keep_up = overlap, keep_up
        self._stopped, self._paused, self._interrupted = threading.Event(), threading.Event(), threading.Event()
        self._earlier_skipped = 0
        self._recent: tuple[RingBuffer, int] | None = None
        self._sound: _Sound | None = None
        self._changing = threading.Lock()

    def change_model(self, classifier: Classifier, *, overlap: float) -> None:
        """Switch to another classifier without interrupting the sound. No prediction of the old one follows.

        The new classifier begins with the latest window.
        """
        with self._changing:
            self._classifier, self._overlap = classifier, overlap
            if self._sound is not None and self._recent is not None:
                ring, rate = self._recent
                recent = ring.last(round(classifier.window_seconds * rate))
                self._earlier_skipped += self._sound.stream.skipped
                stream = classifier.stream(rate, overlap=overlap, latest_only=self._keep_up)
                self._sound.change_model(classifier, stream, recent)

    def stop(self) -> None:
        self._stopped.set()

    def pause(self, paused: bool) -> None:
        """Pause or continue. While paused, sound is discarded; afterwards a new sound begins."""
        if paused:
            self._interrupted.set()
            self._paused.set()
        else:
            self._paused.clear()

    def save(self, path: Path) -> float:
        """Write up to the last minute as 16-bit WAV; returns its length in seconds.

        Raises:
            UserError: no sound has been received, or the file cannot be written.
        """
        if self._recent is None:
            raise UserError("nothing has been received yet, so there is nothing to save")
        ring, rate = self._recent
        y = ring.last(ring.capacity)
        with explained(f"{path} cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                soundfile.write(temporary, np.clip(y, -1, 1), rate, subtype="PCM_16", format="WAV")
        return len(y) / rate

    def events(self) -> Iterator[LiveEvent]:
        """Yield events until the source ends or `stop` is called.

        Raises:
            UserError: the input is not audio.
        """
        known: SourceChanged | None = None
        while not self._stopped.is_set():
            try:
                chunk = self._source.read(TICK_SECONDS)
            except EndOfSound:
                yield from self._finish()
                return
            if chunk is not None and not self._paused.is_set():
                with self._changing:
                    yield from self._take(chunk)
            now = self._account()
            if now != known:
                known = now
                yield now
            if self._keep_up:
                time.sleep(TICK_SECONDS / 2)  # so that there is not an event for every few milliseconds

    def _account(self) -> SourceChanged:
        condition = self._source.condition
        return SourceChanged(
            state=condition.state,
            text="paused" if self._paused.is_set() and condition.state is State.RECEIVING else condition.text,
            overruns=self._source.overruns,
            skipped=self._earlier_skipped + (self._sound.stream.skipped if self._sound else 0),
        )

    def _take(self, chunk: Chunk) -> Iterator[LiveEvent]:
        if self._sound is None or chunk.begins or self._interrupted.is_set():
            yield from self._finish()
            self._interrupted.clear()
            self._earlier_skipped += self._sound.stream.skipped if self._sound else 0
            stream = self._classifier.stream(chunk.rate, overlap=self._overlap, latest_only=self._keep_up)
            self._sound = _Sound(self._classifier, stream)
            if self._recent is None or self._recent[1] != chunk.rate:
                self._recent = (RingBuffer(round(KEPT_SECONDS * chunk.rate)), chunk.rate)
            if self._keep_up:
                # Sound that arrived while the model was loading: its latest window is classified.
                latest = round(self._classifier.window_seconds * chunk.rate * 1.1)
                chunk = chunk._replace(samples=chunk.samples[-latest:])
        assert self._recent is not None
        self._recent[0].write(chunk.samples)
        yield self._sound.level(chunk.samples)
        yield from self._sound.predictions(chunk)

    def _finish(self) -> Iterator[LiveEvent]:
        if self._sound is not None and not self._keep_up:
            yield from self._sound.rest()


class _Sound:
    """An uninterrupted sound: its windows, spectrum and smoothed prediction."""

    def __init__(self, classifier: Classifier, stream: Stream) -> None:
        self._classifier, self.stream = classifier, stream
        self._spectrum = LiveSpectrum(stream.rate, COLUMNS_PER_SECOND)
        self._hz = self._spectrum.hz
        """Lower edges of the bands until they have been sent."""
        self._smoother = EMA()
        self._stream_start = 0.0
        """Start of the stream relative to the start of the sound, in seconds."""
        self._recent: list[np.ndarray] = []
        """Sound to add to the stream before the next chunk."""

    def change_model(self, classifier: Classifier, stream: Stream, recent: np.ndarray) -> None:
        recent = recent[-round(self.seconds * self.stream.rate) :] if self.seconds else recent[:0]
        self._stream_start = self.seconds - len(recent) / stream.rate
        self._classifier, self.stream = classifier, stream
        self._smoother = EMA()
        self._recent = [recent]

    @property
    def seconds(self) -> float:
        """Length of the sound so far."""
        return self._stream_start + self.stream.seconds + sum(map(len, self._recent)) / self.stream.rate

    def level(self, y: np.ndarray) -> Level:
        peak = float(np.abs(y).max())
        return Level(
            seconds=round(self.seconds + len(y) / self.stream.rate, 3),
            peak_db=_decibels(peak),
            level_db=_decibels(float(np.sqrt(np.square(y, dtype=np.float64).mean()))),
            clipped=int((np.abs(y) >= CLIPPED).sum()),
            filling=round(self.stream.window_fill, 3),
            columns=[column.tobytes() for column in self._spectrum.push(y)],
            hz=self._take_hz(),
        )

    def _take_hz(self) -> list[int]:
        hz, self._hz = self._hz, []
        return hz

    def predictions(self, chunk: Chunk) -> Iterator[LivePrediction]:
        samples = np.concatenate([*self._recent, chunk.samples]) if self._recent else chunk.samples
        self._recent = []
        for segment in self.stream.push(samples):
            behind = self.stream.seconds - segment.end_s
            yield self._prediction(segment, time.monotonic() - chunk.arrived + behind)

    def rest(self) -> Iterator[LivePrediction]:
        for segment in self.stream.finish():
            yield self._prediction(segment, 0.0)

    def _prediction(self, segment: Segment, latency_s: float) -> LivePrediction:
        smoothed = self._smoother.update(segment.probabilities, segment.end_s)
        no_music = segment.reason in (Reason.SILENCE, Reason.UNKNOWN)
        return LivePrediction(
            start_s=round(self._stream_start + segment.start_s, 3),
            end_s=round(self._stream_start + segment.end_s, 3),
            genre=segment.genre,
            probability=segment.probabilities[segment.genre],
            probabilities=segment.probabilities,
            uncertain=segment.uncertain,
            reason=segment.reason,
            smoothed=rounded(smoothed),
            smoothed_genre=None if no_music else self._classifier.likeliest(smoothed),
            latency_s=round(latency_s, 3),
        )


def _decibels(amplitude: float) -> float:
    return round(20 * float(np.log10(max(amplitude, 1e-6))), 1)
