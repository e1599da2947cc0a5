"""Predictions for a live source, levels, pauses, the last minute, and keeping up."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.audio.files.decode import decode
from core.audio.live.source import Chunk, Condition, EndOfSound, State
from core.inference import Classifier
from core.inference.live_classifier import EMA, LiveClassifier, overlap_for
from core.inference.live_events import Level, LiveEvent, LivePrediction, SourceChanged
from core.inference.types import Reason
from core.util.errors import UserError
from tests.support.small_model import a_sound, shared_model


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(shared_model())


class Played:
    """A source that plays chunks, one a call, and then ends."""

    def __init__(self, y: np.ndarray, rate: int, chunk_seconds: float, *, begins_at: tuple[int, ...] = (0,)) -> None:
        self.condition = Condition(State.RECEIVING, "played")
        self.overruns = 0
        self._rate, self._size, self._begins_at = rate, round(chunk_seconds * rate), begins_at
        self._chunks = [y[start : start + self._size] for start in range(0, len(y), self._size)]
        self._number = -1

    def read(self, timeout: float) -> Chunk:
        self._number += 1
        if self._number >= len(self._chunks):
            raise EndOfSound
        begins = self._number in self._begins_at
        return Chunk(self._chunks[self._number], self._rate, time.monotonic(), begins)

    def close(self) -> None:
        pass


def predictions_in(events: Iterator[LiveEvent]) -> list[LivePrediction]:
    return [event for event in events if isinstance(event, LivePrediction)]


def test_a_file_that_is_played_gives_the_files_segments(classifier: Classifier) -> None:
    y, rate = decode(a_sound("organ-hymn"))
    y = y[: round(10.2 * rate)]
    listening = LiveClassifier(Played(y, rate, 0.13), classifier, overlap=0.5, keep_up=False)
    segments = classifier.classify_array(y, rate, overlap=0.5).segments
    predictions = predictions_in(listening.events())
    assert [(v.start_s, v.end_s, v.genre) for v in predictions] == [(s.start_s, s.end_s, s.genre) for s in segments]
    for prediction, segment in zip(predictions, segments, strict=True):
        assert prediction.probabilities == pytest.approx(segment.probabilities, abs=1e-5)


def test_bars_and_verdict_follow_the_sound(classifier: Classifier) -> None:
    (one, rate), (other, _) = decode(a_sound("saw-wall")), decode(a_sound("organ-hymn"))
    silence = np.zeros(4 * rate, dtype=np.float32)
    listening = LiveClassifier(
        Played(np.concatenate([one, other, silence]), rate, 0.1),
        classifier,
        overlap=overlap_for(classifier.window_seconds),
        keep_up=True,
    )
    predictions = predictions_in(listening.events())
    ends = [prediction.end_s for prediction in predictions]
    assert max(np.diff(ends)) <= 0.5, "bars move at least twice a second"
    named = {round(prediction.end_s): prediction.smoothed_genre for prediction in predictions}
    assert named[8] == "saw-wall"
    assert named[23] == "organ-hymn"
    assert predictions[-1].reason is Reason.SILENCE
    assert predictions[-1].smoothed_genre is None


def test_levels_say_how_loud_and_how_full(classifier: Classifier) -> None:
    rate = 22_050
    y = np.concatenate([np.full(rate, 0.5), np.ones(rate), np.zeros(2 * rate)]).astype(np.float32)
    listening = LiveClassifier(Played(y, rate, 1.0), classifier, overlap=0, keep_up=True)
    levels = [event for event in listening.events() if isinstance(event, Level)]
    assert [level.peak_db for level in levels] == [-6.0, 0.0, -120.0, -120.0]
    assert [level.clipped for level in levels] == [0, rate, 0, 0]
    assert [level.seconds for level in levels] == [1, 2, 3, 4]
    assert [round(level.filling, 1) for level in levels] == [0, 0.3, 0.7, 1.0]
    assert sum(len(level.columns) for level in levels) == 80


def test_one_who_cannot_keep_up_skips_windows_and_says_so(classifier: Classifier) -> None:
    y, rate = decode(a_sound("saw-wall"))
    late = LiveClassifier(Played(y, rate, 6.0), classifier, overlap=0.9, keep_up=True)
    events = list(late.events())
    assert len(predictions_in(iter(events))) == 2
    skipped = [event.skipped for event in events if isinstance(event, SourceChanged)]
    assert skipped[-1] > 10
    patient = LiveClassifier(Played(y, rate, 6.0), classifier, overlap=0.9, keep_up=False)
    assert len(predictions_in(patient.events())) == 31


def test_a_new_sound_is_not_joined_to_the_old_one(classifier: Classifier) -> None:
    y, rate = decode(a_sound("saw-wall"))
    listening = LiveClassifier(Played(y, rate, 2.0, begins_at=(0, 3)), classifier, overlap=0, keep_up=False)
    assert [(v.start_s, v.end_s) for v in predictions_in(listening.events())] == [(0, 3), (3, 6), (0, 3), (3, 6)]


def test_while_paused_nothing_is_classified_and_afterwards_a_window_fills_anew(classifier: Classifier) -> None:
    y, rate = decode(a_sound("saw-wall"))
    listening = LiveClassifier(Played(y, rate, 1.0), classifier, overlap=0, keep_up=True)
    at: list[float] = []
    for number, event in enumerate(e for e in listening.events() if isinstance(e, Level | SourceChanged)):
        if isinstance(event, Level):
            at.append(event.seconds)
        if number == 2:
            listening.pause(True)
        if isinstance(event, SourceChanged) and event.text == "paused":
            listening.pause(False)
    assert at[:4] == [1, 2, 1, 2], "the count begins anew"


def test_the_last_minute_is_saved(classifier: Classifier, tmp_path: Path) -> None:
    y, rate = decode(a_sound("saw-wall"))
    listening = LiveClassifier(Played(np.tile(y, 6), rate, 1.0), classifier, overlap=0, keep_up=True)
    with pytest.raises(UserError, match="nothing has been received"):
        listening.save(tmp_path / "early.wav")
    list(listening.events())
    assert listening.save(tmp_path / "sub" / "last.wav") == 60
    saved, saved_rate = soundfile.read(tmp_path / "sub" / "last.wav", dtype="float32")
    assert saved_rate == rate
    assert np.abs(saved - np.tile(y, 5)[: 60 * rate]).max() < 1e-4
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        listening.save(tmp_path / "file" / "last.wav")


def test_older_verdicts_count_half_after_the_half_life() -> None:
    smoother = EMA(half_life=2.0)
    assert smoother.update({"a": 1.0, "b": 0.0}, 10.0) == {"a": 1.0, "b": 0.0}
    assert smoother.update({"a": 0.0, "b": 1.0}, 12.0) == pytest.approx({"a": 0.5, "b": 0.5})
    assert smoother.update({"a": 0.0, "b": 1.0}, 14.0) == pytest.approx({"a": 0.25, "b": 0.75})


def test_another_model_continues_with_the_same_sound(classifier: Classifier) -> None:
    y, rate = decode(a_sound("organ-hymn"))
    live = LiveClassifier(Played(y[: 8 * rate], rate, 0.25), classifier, overlap=0.5, keep_up=True)
    other = Classifier.load(shared_model())
    change = threading.Thread(target=lambda: live.change_model(other, overlap=0.0))
    levels: list[Level] = []
    predictions: list[tuple[bool, LivePrediction]] = []
    for event in live.events():
        if isinstance(event, Level):
            levels.append(event)
            if event.seconds >= 5 and change.ident is None:
                change.start()
        elif isinstance(event, LivePrediction):
            predictions.append((change.ident is not None and not change.is_alive(), event))
    change.join(10)
    seconds = [level.seconds for level in levels]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(8, abs=0.01)
    assert sum(len(level.columns) for level in levels) == pytest.approx(8 * 20, abs=2)
    after = [prediction for is_after, prediction in predictions if is_after]
    assert 5 <= after[0].end_s < 6  # at once, from what had been received
    assert after[0].end_s - after[0].start_s == pytest.approx(classifier.window_seconds, abs=0.01)
    assert {prediction.genre for prediction in after} == {"organ-hymn"}
