"""One path from sound to prediction, for files, arrays and live sources alike.

Decode or capture → resample → windows → front end → network → calibrated probabilities → decision. A file goes
through the same stream as live sound, so both give the same segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.audio.errors import AudioError
from core.audio.files.decode import AudioReader
from core.audio.files.open_file import open_file
from core.audio.resample import Resampler
from core.inference.backend import Backend
from core.inference.decision import DecisionRule, Window, merge_segments, relative_entropy
from core.inference.find_model import DEFAULT, default_model
from core.inference.onnx_backend import SUFFIX, OnnxBackend
from core.inference.torch_backend import TorchBackend
from core.inference.types import Prediction, Segment
from core.inference.window_cutter import SHORTEST_REST, WindowCutter
from core.util.errors import UserError
from core.util.text import printable

Waveform = npt.NDArray[np.float32]
BLOCK_SECONDS = 30.0
"""Seconds of sound in memory at a time, however long the file."""
Block = tuple[Waveform, int]
"""Mono samples (samples,) with full scale at 1, and their rate in Hz."""
SHORTEST_SECONDS = 0.25
LARGEST_OVERLAP = 0.99


class Sound(Protocol):
    """What `core.audio.files.decode.AudioReader` gives; ``warning`` is known after the last block."""

    @property
    def warning(self) -> str | None: ...

    def blocks(self, block_seconds: float) -> Iterator[Block]: ...


class Classifier:
    """A trained model, ready for sound. Safe to use from several threads at once.

    >>> classifier = Classifier.load("runs/.../best_model.pth")   # doctest: +SKIP
    >>> classifier.classify_file("song.mp3").genre                # doctest: +SKIP
    'jazz'

    Attributes:
        network: the backend.
        genres: names of the classes, in the order of the network's outputs.
        model: the name that predictions carry.
        window_seconds: length of a window; ``sample_rate`` is the one that the front end works at.
        learnt: ``genre/name`` of the clips that it was trained on or selected by; an ONNX file does not say.
    """

    def __init__(self, network: Backend, model: str, learnt: frozenset[str] = frozenset()) -> None:
        self.network, self.learnt = network, learnt
        self._rule = DecisionRule(network.genres, network.calibration.temperature, network.calibration.entropy_limit)
        self.model = model
        self.genres = list(network.genres)
        self.sample_rate = network.settings.sample_rate
        self.window_seconds = network.window_samples / self.sample_rate
        self.device = str(network.device)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> "Classifier":
        """The model in a ``best_model.pth``, or in an exported ``.onnx``. Loading executes no code from the file.

        Args:
            device: auto, cpu, cuda, cuda:N or mps.

        Raises:
            UserError: the file is missing, damaged or not a model, or this machine has no such device.
        """
        path = Path(path)
        network = OnnxBackend(path, device) if path.suffix == SUFFIX else TorchBackend(path, device)
        _check(network, path)
        learnt = network.learnt if isinstance(network, TorchBackend) else frozenset[str]()
        return cls(network, _model_name(path), learnt)

    def classify_file(self, path: str | os.PathLike[str], *, overlap: float = 0.0) -> Prediction:
        """The genre of an audio file of any format, and of each of its windows.

        Args:
            overlap: fraction of a window that the next one repeats, from 0 to 0.99.

        Raises:
            AudioError: the file cannot be read, is not audio, or is too short.
        """
        with open_file(path) as file:
            return self.classify_open(path, file, overlap=overlap)

    def classify_open(
        self,
        path: str | os.PathLike[str],
        file: BinaryIO,
        *,
        overlap: float = 0.0,
        on_block: Callable[[Waveform, int], object] | None = None,
    ) -> Prediction:
        """As `classify_file`, for an open file."""
        try:
            return self.classify_sound(AudioReader(path, file), printable(path), overlap=overlap, on_block=on_block)
        except AudioError:
            raise
        except UserError as error:
            raise AudioError(path, str(error)) from error

    def classify_sound(
        self,
        sound: Sound,
        name: str,
        *,
        overlap: float = 0.0,
        on_block: Callable[[Waveform, int], object] | None = None,
    ) -> Prediction:
        """The prediction for decoded sound, with its warning: every path from a file to a prediction ends here.

        Args:
            name: the prediction's ``path``.
            on_block: called with each block and its rate before it is classified; for a spectrogram, say.

        Raises:
            UserError: the sound is too short.
        """

        def tapped() -> Iterator[Block]:
            for block, rate in sound.blocks(BLOCK_SECONDS):
                if on_block is not None:
                    on_block(block, rate)
                yield block, rate

        prediction = self.classify_blocks(tapped(), overlap=overlap)
        return msgspec.structs.replace(prediction, path=name, warning=sound.warning)

    def classify_array(self, y: Waveform, rate: int, *, overlap: float = 0.0) -> Prediction:
        """As `classify_file`, for a mono waveform (samples,) with full scale at 1, at ``rate`` Hz.

        Raises:
            UserError: it is too short, holds NaN or infinite values, or has an impossible rate.
        """
        y = np.asarray(y, dtype=np.float32)
        if y.ndim != 1:
            raise UserError(f"one channel is needed, an array of shape (samples,), not {y.shape}")
        if not np.isfinite(y).all():
            raise UserError("the waveform holds NaN or infinite values")
        size = max(1, round(BLOCK_SECONDS * rate))
        return self.classify_blocks(((y[i : i + size], rate) for i in range(0, len(y), size)), overlap=overlap)

    def stream(self, rate: int, *, overlap: float = 0.0, latest_only: bool = False) -> "Stream":
        """A stream for mono sound at ``rate`` Hz that arrives in pieces.

        Args:
            latest_only: classify only the last of several windows that one piece completes, to keep up with live sound.

        Raises:
            UserError: the rate is impossible.
        """
        return Stream(self.network, self._rule, rate, overlap, latest_only)

    def likeliest(self, probabilities: dict[str, float]) -> str | None:
        """The likeliest genre of ``probabilities``, an average over windows say; None where they are unclear."""
        unclear = relative_entropy(np.array(list(probabilities.values()))) >= self._rule.entropy_limit
        return None if unclear else max(probabilities, key=lambda genre: probabilities[genre])

    def segments(self, windows: Iterable[Window]) -> list[Segment]:
        return [self._rule.segment(window) for window in windows]

    def predict(self, windows: Sequence[Window], duration_s: float, path: str = "") -> Prediction:
        """The prediction for all windows of a stream.

        Raises:
            UserError: there are no windows, the sound being too short.
        """
        if not windows:
            raise UserError(f"holds {duration_s:.2f} s of sound, too short to classify")
        decision = self._rule.whole(windows)
        segments = self.segments(windows)
        best = int(decision.probabilities.argmax())
        return Prediction(
            path=path,
            genre=self.genres[best],
            probability=round(float(decision.probabilities[best]), 6),
            probabilities=self._rule.named(decision.probabilities),
            uncertain=decision.reason is not None,
            reason=decision.reason,
            duration_s=round(duration_s, 3),
            segments=segments,
            stretches=merge_segments(segments),
            model=self.model,
        )

    def classify_blocks(self, blocks: Iterable[Block], *, overlap: float = 0.0) -> Prediction:
        """As `classify_array`, for consecutive mono blocks of one sound, each (samples,) with its rate."""
        live: Stream | None = None
        windows: list[Window] = []
        for block, rate in blocks:
            live = live or self.stream(rate, overlap=overlap)
            windows += live.windows(block)
        if live is not None:
            windows += live.last_windows()
        return self.predict(windows, live.seconds if live else 0.0)


class Stream:
    """Takes sound in pieces and returns a segment for each window as soon as it is complete. Buffers one window.

    Attributes:
        rate: of the sound, in Hz.
        skipped: windows that were not classified, with ``latest_only``.
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
        """Takes mono sound (samples,) with full scale at 1; returns the segments that it completes."""
        return [self._rule.segment(window) for window in self.windows(y)]

    def finish(self) -> list[Segment]:
        """Returns the segment that ends with the sound, if the last whole window does not. Call it last."""
        return [self._rule.segment(window) for window in self.last_windows()]

    def windows(self, y: Waveform) -> list[Window]:
        """As ``push``, before the decision."""
        self._received += len(y)
        wave_BN, starts = self._cutter.push(self._resampler.push(y))
        if self._latest_only and len(starts) > 1:
            self.skipped += len(starts) - 1
            wave_BN, starts = wave_BN[-1:], starts[-1:]
        return self._windows(wave_BN, starts)

    def last_windows(self) -> list[Window]:
        """As ``finish``, before the decision."""
        found = self._windows(*self._cutter.push(self._resampler.push(np.zeros(0, dtype=np.float32), last=True)))
        rest = self._cutter.finish()
        if rest is None or self.seconds < SHORTEST_SECONDS:
            return found
        wave_N, start = rest
        return found + self._windows(wave_N[None], [start])

    def _windows(self, wave_BN: Waveform, starts: list[int]) -> list[Window]:
        if not starts:
            return []
        rate = self._network.settings.sample_rate
        logits_BC, ood_score_B = self._network.forward(wave_BN)
        power_B = [float(wave_N @ wave_N) / len(wave_N) for wave_N in wave_BN]
        level_B = 10 * np.log10(np.maximum(power_B, 1e-20))
        return [
            Window(start / rate, (start + wave_BN.shape[1]) / rate, logits, float(level), float(ood_score))
            for start, logits, level, ood_score in zip(starts, logits_BC, level_B, ood_score_B, strict=True)
        ]


def _check(network: Backend, path: Path) -> None:
    """
    Raises:
        UserError: the genres are not names, or the network's output is NaN or infinite.
    """
    genres: Sequence[object] = network.genres
    if len(genres) < 2 or len(set(map(str, genres))) < len(genres):
        raise UserError(f"{path} is damaged: a model needs two or more different genres")
    if not all(isinstance(genre, str) and genre.strip() and genre.isprintable() for genre in genres):
        raise UserError(f"{path} is damaged: its genres are not printable names")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, network.window_samples)).astype(np.float32)
    if not all(np.isfinite(values).all() for values in network.forward(noise)):
        raise UserError(f"{path} is damaged: its weights give NaN or infinite values")


def _model_name(path: Path) -> str:
    """``default`` for the bundled model, the run's name for a best_model.pth, otherwise the file's stem."""
    if path == default_model():
        return DEFAULT
    return path.absolute().parent.name if path.name == "best_model.pth" else path.stem
