"""What a listening process would say, made up: the same on every machine, for how the screen looks."""

import math

from core.audio.live.microphone import Device
from core.audio.live.source import State
from core.features.display_spectrogram import LIVE_BANDS, Spectrum
from core.inference.live_events import Level, LivePrediction, SourceChanged
from core.inference.types import Reason
from core.inference.workers.live_worker import Answer, DevicesFound, Opened

GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
MICROPHONE = Device(1, "USB microphone", 44_100, 1, True)
LINE_IN = Device(2, "HDA Intel: line in", 48_000, 2, False)
NO_DEVICE = DevicesFound([], "this machine has no input device, as is usual over SSH")


def column(at: int) -> bytes:
    """A beat below, a melody above."""
    beat = 200 if at % 10 < 2 else 90
    melody = 18 + round(10 * math.sin(at / 17))
    return bytes(
        max(0, beat - 14 * band) if band < 12 else max(0, 210 - 30 * abs(band - melody) - band)
        for band in range(LIVE_BANDS)
    )


def levels(seconds: float, *, clipped: int = 0, first: int = 0) -> list[Answer]:
    """Ten a second, two columns each."""
    return [
        Level(
            seconds=(first + n + 1) / 10,
            peak_db=-8.0 if (first + n) % 5 else -3.1,
            level_db=-19.5 + 3 * math.sin(n / 3),
            clipped=clipped if n == round(seconds * 10) - 1 else 0,
            filling=min(1.0, (first + n + 1) / 30),
            columns=[column(2 * (first + n)), column(2 * (first + n) + 1)],
            hz=Spectrum(44_100).hz if first + n == 0 else [],
        )
        for n in range(round(seconds * 10))
    ]


def prediction(end_s: float, genre: str | None, share: float = 0.8, reason: Reason | None = None) -> LivePrediction:
    likeliest = genre or "pop"
    rest = (1 - share) / (len(GENRES) - 1)
    probabilities = {name: share if name == likeliest else rest for name in GENRES}
    return LivePrediction(
        start_s=end_s - 3,
        end_s=end_s,
        genre=likeliest,
        probability=share,
        probabilities=probabilities,
        uncertain=genre is None,
        reason=reason,
        smoothed=probabilities,
        smoothed_genre=genre,
        latency_s=0.09,
    )


def opened() -> Opened:
    return Opened("2023-11-14_gtzan_small-cnn", GENRES, 3.0, "cpu")


def receiving(text: str = "USB microphone, 44,100 Hz", *, overruns: int = 0, skipped: int = 0) -> SourceChanged:
    return SourceChanged(state=State.RECEIVING, text=text, overruns=overruns, skipped=skipped)
