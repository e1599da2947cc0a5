"""The classifier: one path from sound to prediction for files, arrays and live sources.

Decode or capture → resample → windows → front end → network → calibrated probabilities → decision. Files go through the
same stream as live sound, so both give the same segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from core.audio.conversion import Resampler
from core.audio.files.decode import AudioReader
from core.audio.files.open_file import AudioError, open_file
from core.inference.backend import Backend, Waveform
from core.inference.decision import DecisionRule, Window, merge_segments, relative_entropy
from core.inference.find_model import DEFAULT, default_model
from core.inference.nearest import RememberedClips
from core.inference.onnx_backend import SUFFIX, OnnxBackend
from core.inference.torch_backend import TorchBackend
from core.inference.types import Prediction, Segment
from core.inference.windows import SHORTEST_REST, WindowBatch, WindowCutter
from core.util.errors import UserError
from core.util.paths import genres_fault
from core.util.text import printable

BLOCK_SECONDS = 30.0
"""Seconds of sound in memory at a time, for files of any length."""
Block = tuple[Waveform, int]
"""Mono samples (samples,) with full scale at 1, and their rate in Hz."""
Cut = tuple[Waveform, list[int]]
"""Windows (B, samples) and the sample at which each begins."""
SHORTEST_SECONDS = 0.25
LARGEST_OVERLAP = 0.99


class Sound(Protocol):
    """The interface of `core.audio.files.decode.AudioReader`; ``warning`` is valid after the last block."""

    @property
    def warning(self) -> str | None: ...

    def blocks(self, block_seconds: float) -> Iterator[Block]: ...


class Classifier:
    """A trained model that classifies sound. Thread-safe.

    >>> classifier = Classifier.load("runs/.../best_model.pth")   # doctest: +SKIP
    >>> classifier.classify_file("song.mp3").genre                # doctest: +SKIP
    'jazz'

    Attributes:
        network: the backend.
        genres: names of the classes, in the order of the network's outputs.
        model: the model's name in predictions.
        window_seconds: length of a window; ``sample_rate`` is that of the front end.
        learnt: ``genre/name`` of the clips that it was trained on or selected by; empty for ONNX files.
        remembered: the training clips that files can be compared with, of models that store some.
    """

    def __init__(
        self,
        network: Backend,
        model: str,
        learnt: frozenset[str] = frozenset(),
        remembered: RememberedClips | None = None,
    ) -> None:
        self.network, self.learnt, self.remembered = network, learnt, remembered
        self._rule = DecisionRule(network.genres, network.calibration.temperature, network.calibration.entropy_limit)
        self.model = model
        self.genres = list(network.genres)
        self.sample_rate = network.settings.sample_rate
        self.window_seconds = network.window_samples / self.sample_rate
        self.device = str(network.device)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> "Classifier":
        """Load a ``best_model.pth`` or an exported ``.onnx`` file, without executing code from it.

        Args:
            device: auto, cpu, cuda, cuda:N or mps.

        Raises:
            UserError: the file is missing, damaged or not a model, or the device does not exist.
        """
        path = Path(path)
        network = OnnxBackend(path, device) if path.suffix == SUFFIX else TorchBackend(path, device)
        _check(network, path)
        if isinstance(network, TorchBackend):
            return cls(network, _model_name(path), network.learnt, network.remembered)
        return cls(network, _model_name(path))

    def classify_file(self, path: str | os.PathLike[str], *, overlap: float = 0.0, nearest: int = 0) -> Prediction:
        """Classify an audio file of any format, as a whole and window by window.

        Args:
            overlap: fraction by which consecutive windows overlap, from 0 to 0.99.
            nearest: how many of the most similar training clips to list; there are none if the model stores none.

        Raises:
            AudioError: the file cannot be read, is not audio, or is too short.
        """
        with open_file(path) as file:
            return self.classify_open(path, file, overlap=overlap, nearest=nearest)

    def classify_open(
        self,
        path: str | os.PathLike[str],
        file: BinaryIO,
        *,
        overlap: float = 0.0,
        nearest: int = 0,
        on_block: Callable[[Waveform, int], object] | None = None,
    ) -> Prediction:
        """As `classify_file`, for an open file."""
        batch = self.batch(nearest)
        pending = self.measure_file(path, file, batch, overlap=overlap, on_block=on_block)
        batch.measure()
        try:
            return self.predict(pending, nearest)
        except UserError as error:
            raise AudioError(path, str(error)) from error

    def batch(self, nearest: int = 0) -> WindowBatch:
        """An empty batch for windows of several sounds, each of which gets its ``nearest`` training clips."""
        return WindowBatch(self.network, self.remembered if nearest else None)

    def measure_file(
        self,
        path: str | os.PathLike[str],
        file: BinaryIO,
        batch: WindowBatch,
        *,
        overlap: float = 0.0,
        on_block: Callable[[Waveform, int], object] | None = None,
    ) -> "PendingSound":
        """Decode an open file and add its windows to ``batch``, which may be shared with other files.

        Raises:
            AudioError: as for `classify_file`, except that `predict` raises it for a file that is too short.
        """
        try:
            return self.measure_sound(
                AudioReader(path, file), printable(path), batch, overlap=overlap, on_block=on_block
            )
        except AudioError:
            raise
        except UserError as error:
            raise AudioError(path, str(error)) from error

    def classify_sound(self, sound: Sound, name: str) -> Prediction:
        """Classify decoded sound.

        Args:
            name: the prediction's ``path``.

        Raises:
            UserError: the sound is too short.
        """
        batch = self.batch()
        pending = self.measure_sound(sound, name, batch)
        batch.measure()
        return self.predict(pending)

    def measure_sound(
        self,
        sound: Sound,
        name: str,
        batch: WindowBatch,
        *,
        overlap: float = 0.0,
        on_block: Callable[[Waveform, int], object] | None = None,
    ) -> "PendingSound":
        """Decode a sound and add its windows to ``batch``. Every path from a file to a prediction leads here.

        Args:
            name: the prediction's ``path``.
            on_block: called with each block and its rate before its windows are added, to draw a spectrogram.
        """
        pending = PendingSound(name)
        for block, rate in sound.blocks(BLOCK_SECONDS):
            if on_block is not None:
                on_block(block, rate)
            self._add_block(block, rate, pending, batch, overlap)
        self._end(pending, batch)
        pending.warning = sound.warning
        return pending

    def _add_block(
        self, block: Waveform, rate: int, pending: "PendingSound", batch: WindowBatch, overlap: float
    ) -> None:
        pending.stream = pending.stream or self.stream(rate, overlap=overlap)
        batch.add(*pending.stream.cut(block), pending.windows)

    def _end(self, pending: "PendingSound", batch: WindowBatch) -> None:
        for wave_BN, starts in pending.stream.last_cuts() if pending.stream else ():
            batch.add(wave_BN, starts, pending.windows)

    def classify_array(self, y: Waveform, rate: int, *, overlap: float = 0.0) -> Prediction:
        """As `classify_file`, for a mono waveform (samples,) with full scale at 1, at ``rate`` Hz.

        Raises:
            UserError: it is too short, holds NaN or infinite values, or its rate is out of range.
        """
        y = np.asarray(y, dtype=np.float32)
        if y.ndim != 1:
            raise UserError(f"a waveform must be mono, of shape (samples,), not {y.shape}")
        if not np.isfinite(y).all():
            raise UserError("the waveform holds NaN or infinite values")
        size = max(1, round(BLOCK_SECONDS * rate))
        return self.classify_blocks(((y[i : i + size], rate) for i in range(0, len(y), size)), overlap=overlap)

    def stream(self, rate: int, *, overlap: float = 0.0, latest_only: bool = False) -> "Stream":
        """Create a stream for mono sound at ``rate`` Hz that arrives in pieces.

        Args:
            latest_only: if a piece completes several windows, classify only the last, to keep up with live sound.

        Raises:
            UserError: the rate is out of range.
        """
        return Stream(self.network, self._rule, rate, overlap, latest_only)

    def likeliest(self, probabilities: dict[str, float]) -> str | None:
        """The likeliest genre, for example of probabilities averaged over windows; None if they are unclear."""
        unclear = relative_entropy(np.array(list(probabilities.values()))) >= self._rule.entropy_limit
        return None if unclear else max(probabilities, key=lambda genre: probabilities[genre])

    def segments(self, windows: Iterable[Window]) -> list[Segment]:
        return self._rule.segments(list(windows))

    def predict(self, pending: "PendingSound", nearest: int = 0) -> Prediction:
        """The prediction for a sound whose windows have been through the network, with its nearest training clips.

        Raises:
            UserError: the sound is too short for a window.
        """
        windows = pending.windows
        if not windows:
            raise UserError(f"holds {pending.seconds:.2f} s of sound, too short to classify")
        decision = self._rule.whole(windows)
        segments = self.segments(windows)
        statistics = [window.statistics for window in windows if window.statistics is not None]
        best = int(decision.probabilities.argmax())
        return Prediction(
            path=pending.name,
            genre=self.genres[best],
            probability=round(float(decision.probabilities[best]), 6),
            probabilities=self._rule.named(decision.probabilities),
            uncertain=decision.reason is not None,
            reason=decision.reason,
            duration_s=round(pending.seconds, 3),
            segments=segments,
            stretches=merge_segments(segments),
            model=self.model,
            warning=pending.warning,
            nearest=self.remembered.nearest(statistics, nearest) if self.remembered and nearest else [],
        )

    def classify_blocks(self, blocks: Iterable[Block], *, overlap: float = 0.0) -> Prediction:
        """As `classify_array`, for consecutive mono blocks of one sound, each (samples,) with its rate."""
        batch, pending = self.batch(), PendingSound("")
        for block, rate in blocks:
            # A copy, because the caller may reuse the array while windows of this block still wait.
            self._add_block(block.copy(), rate, pending, batch, overlap)
        self._end(pending, batch)
        batch.measure()
        return self.predict(pending)


class Stream:
    """Classifies sound that arrives in pieces; returns a segment for each window once it is complete.

    Attributes:
        rate: the sound's rate in Hz.
        skipped: number of windows that were skipped because of ``latest_only``.
    """

    def __init__(self, network: Backend, rule: DecisionRule, rate: int, overlap: float, latest_only: bool) -> None:
        if not 0 <= overlap <= LARGEST_OVERLAP:
            raise UserError(f"windows can overlap by 0 to {LARGEST_OVERLAP:g} of their length, not {overlap:g}")
        self._network, self._rule, self._latest_only = network, rule, latest_only
        self.rate = rate
        self.skipped = 0
        target = network.settings.sample_rate
        self._resampler = Resampler(rate, target)
        self._cutter = WindowCutter(
            network.window_samples,
            max(1, round((1 - overlap) * network.window_samples)),
            round(min(SHORTEST_REST * target, network.window_samples / 2)),
        )
        self._received = 0

    @property
    def seconds(self) -> float:
        """Seconds of sound so far."""
        return self._received / self.rate

    @property
    def window_fill(self) -> float:
        """Fraction of the first window that has arrived."""
        return min(1.0, self._cutter.received / self._cutter.window)

    def push(self, y: Waveform) -> list[Segment]:
        """Add mono sound (samples,) with full scale at 1; returns the segments that it completes."""
        return self._rule.segments(self.windows(y))

    def finish(self) -> list[Segment]:
        """Call this last; returns the segment that ends with the sound if the last complete window does not."""
        return self._rule.segments(self.last_windows())

    def windows(self, y: Waveform) -> list[Window]:
        """As `push`, before the decision."""
        return self._measured([self.cut(y)])

    def last_windows(self) -> list[Window]:
        """As `finish`, before the decision."""
        return self._measured(self.last_cuts())

    def cut(self, y: Waveform) -> Cut:
        """As `windows`, before the network."""
        self._received += len(y)
        wave_BN, starts = self._cutter.push(self._resampler.push(y))
        if self._latest_only and len(starts) > 1:
            self.skipped += len(starts) - 1
            wave_BN, starts = wave_BN[-1:], starts[-1:]
        return wave_BN, starts

    def last_cuts(self) -> list[Cut]:
        """As `last_windows`, before the network."""
        cuts = [self._cutter.push(self._resampler.push(np.zeros(0, dtype=np.float32), last=True))]
        rest = self._cutter.finish()
        if rest is not None and self.seconds >= SHORTEST_SECONDS:
            wave_N, start = rest
            cuts.append((wave_N[None], [start]))
        return cuts

    def _measured(self, cuts: Iterable[Cut]) -> list[Window]:
        batch = WindowBatch(self._network)
        windows: list[Window] = []
        for wave_BN, starts in cuts:
            batch.add(wave_BN, starts, windows)
        batch.measure()
        return windows


@dataclass
class PendingSound:
    """A sound that is cut into windows, which are complete once their batch has been through the network."""

    name: str
    windows: list[Window] = field(default_factory=list)
    warning: str | None = None
    stream: Stream | None = None

    @property
    def seconds(self) -> float:
        return self.stream.seconds if self.stream else 0.0


def _check(network: Backend, path: Path) -> None:
    """
    Raises:
        UserError: the genres are not valid names, or the network's output is NaN or infinite.
    """
    if fault := genres_fault(network.genres):
        raise UserError(f"{path} is damaged: {fault}")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, network.window_samples)).astype(np.float32)
    if not all(np.isfinite(values).all() for values in network.forward(noise)):
        raise UserError(f"{path} is damaged: its output is NaN or infinite")


def _model_name(path: Path) -> str:
    """``default`` for the bundled model, the run's name for a best_model.pth, otherwise the file's stem."""
    if path == default_model():
        return DEFAULT
    return path.absolute().parent.name if path.name == "best_model.pth" else path.stem
