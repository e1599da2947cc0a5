"""One path for files, arrays and streams, with a real model on real files."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError
from core.inference import Classifier
from core.inference.types import Reason, Segment
from core.util.errors import UserError
from tests.support.recordings import tone, write_sound
from tests.support.small_model import GENRES, SECONDS, a_sound, shared_model


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(shared_model())


def played(classifier: Classifier, y: np.ndarray, rate: int, *, overlap: float, seed: int) -> list[Segment]:
    """The segments of a waveform that arrives in pieces of random sizes."""
    sizes = np.random.default_rng(seed)
    live = classifier.stream(rate, overlap=overlap)
    segments, position = [], 0
    while position < len(y):
        size = int(sizes.integers(1, rate))
        segments += live.push(y[position : position + size])
        position += size
    return segments + live.finish()


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_a_file_played_as_a_stream_gives_the_files_segments(
    classifier: Classifier, tmp_path: Path, rate: int, overlap: float
) -> None:
    y, original = decode(a_sound("saw-wall"))
    file = write_sound(tmp_path / "sound.wav", np.resize(y, round(7.9 * original)), rate)
    y, _ = decode(file)
    from_file = classifier.classify_file(file, overlap=overlap).segments
    from_stream = played(classifier, y, rate, overlap=overlap, seed=rate)

    assert [(s.start_s, s.end_s, s.genre, s.reason) for s in from_stream] == [
        (s.start_s, s.end_s, s.genre, s.reason) for s in from_file
    ]
    for one, other in zip(from_stream, from_file, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize("genre", GENRES)
def test_a_file_gets_its_genre(classifier: Classifier, genre: str) -> None:
    prediction = classifier.classify_file(a_sound(genre))
    assert prediction.genre == genre
    assert not prediction.uncertain
    assert prediction.probability == max(prediction.probabilities.values())
    assert prediction.duration_s == SECONDS
    assert [segment.start_s for segment in prediction.segments] == [0, 3, 6, 9]
    assert prediction.segments[-1].end_s == SECONDS
    assert prediction.warning is None


def test_an_array_is_classified_as_the_file_is(classifier: Classifier) -> None:
    path = a_sound("organ-hymn")
    from_array = classifier.classify_array(*decode(path))
    from_file = classifier.classify_file(path)
    assert from_array.probabilities == pytest.approx(from_file.probabilities, abs=1e-5)


def test_blocks_may_come_in_an_array_that_is_filled_again(classifier: Classifier) -> None:
    y, rate = decode(a_sound("saw-wall"))
    y = np.resize(y, 4 * 3 * rate)
    buffer = np.empty(3 * rate, dtype=np.float32)

    def blocks() -> Iterator[tuple[np.ndarray, int]]:
        for part in y.reshape(4, -1):
            buffer[:] = part
            yield buffer, rate

    assert classifier.classify_blocks(blocks()).probabilities == pytest.approx(
        classifier.classify_array(y, rate).probabilities, abs=1e-5
    )


def test_windows_in_several_arrays_are_measured_as_in_one(classifier: Classifier) -> None:
    """Also where windows overlap in memory, and where there are more than a batch holds."""
    samples = classifier.network.window_samples
    y = np.random.default_rng(0).normal(0, 0.1, samples + 1000).astype(np.float32)
    overlapping_BN = np.lib.stride_tricks.sliding_window_view(y, samples, writeable=True)[::10]
    waves = [overlapping_BN, overlapping_BN[:1], overlapping_BN[3:50].copy()]
    logits_BC, ood_score_B = classifier.network.forward(*waves)
    expected = [classifier.network.forward(row_N[None]) for wave_BN in waves for row_N in wave_BN.copy()]
    np.testing.assert_allclose(logits_BC, np.concatenate([logits for logits, _ in expected]), atol=1e-4)
    np.testing.assert_allclose(ood_score_B, np.concatenate([scores for _, scores in expected]), atol=1e-4)


def test_level_does_not_matter(classifier: Classifier) -> None:
    y, rate = decode(a_sound("drums-fast"))
    loud, soft = classifier.classify_array(y, rate), classifier.classify_array(0.02 * y, rate)
    assert soft.genre == loud.genre
    assert soft.probability == pytest.approx(loud.probability, abs=0.02)


RATE = 22_050
RANDOM = np.random.default_rng(0)
TIME = np.arange(8 * RATE) / RATE


def harmonics(frequency: float, level: float, count: int) -> npt.NDArray[np.float64]:
    y = np.zeros(len(TIME))
    for k in range(1, count + 1):
        y += level / k * np.sin(2 * np.pi * frequency * k * TIME)
    return y


NO_MUSIC = {
    "digital silence": np.zeros(8 * RATE),
    "a quiet room": 3e-4 * RANDOM.standard_normal(8 * RATE),
    "white noise": 0.2 * RANDOM.standard_normal(8 * RATE),
    "hum": harmonics(50, 0.3, 5),
    "noisy hum": harmonics(60, 0.3, 5) + 0.01 * RANDOM.standard_normal(8 * RATE),
    "a tone": 0.5 * np.sin(2 * np.pi * 440 * TIME),
    "syllables": harmonics(120, 0.2, 19) * np.maximum(0, np.sin(2 * np.pi * 4 * TIME)),
}


@pytest.mark.parametrize("name", NO_MUSIC)
def test_what_is_not_music_is_uncertain_and_nearly_flat(classifier: Classifier, name: str) -> None:
    prediction = classifier.classify_array(NO_MUSIC[name].astype(np.float32), RATE)
    assert prediction.uncertain
    assert prediction.reason in (Reason.SILENCE, Reason.UNKNOWN)
    assert prediction.probability < 0.6  # of four genres
    assert len(prediction.top(3)) == 3


def test_a_network_of_fixed_length_pads_what_is_shorter_and_divides_what_is_longer() -> None:
    classifier = Classifier.load(shared_model("seed_cnn"))
    y, rate = decode(a_sound("saw-wall"))
    assert classifier.window_seconds == SECONDS
    short = classifier.classify_array(y[: 5 * rate], rate)
    assert [(s.start_s, s.end_s) for s in short.segments] == [(0, 5)]
    long = classifier.classify_array(np.tile(y, 2)[: 20 * rate], rate)
    assert [(s.start_s, s.end_s) for s in long.segments] == [(0, 12), (8, 20)]
    assert long.genre == "saw-wall"


def test_a_second_is_classified_as_if_it_went_on(classifier: Classifier) -> None:
    y, rate = decode(a_sound("saw-wall"))
    second = y[:rate]
    short, whole = classifier.classify_array(second, rate), classifier.classify_array(np.tile(second, 3), rate)
    assert short.genre == whole.genre == "saw-wall"
    assert short.probabilities == pytest.approx(whole.probabilities, abs=1e-4)


def test_a_long_file_takes_the_memory_of_a_block(classifier: Classifier, tmp_path: Path) -> None:
    y, rate = decode(a_sound("saw-wall"))
    minutes = 20
    path = write_sound(tmp_path / "long.wav", np.tile(y, round(60 * minutes / SECONDS)), rate)
    classifier.classify_file(a_sound("saw-wall"))
    tracemalloc.start()
    prediction = classifier.classify_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(prediction.segments) == 60 * minutes / 3
    assert peak < 0.25 * 4 * rate * 60 * minutes  # a quarter of the waveform; numpy's memory is traced


def test_a_cut_off_file_is_classified_by_what_is_there_and_said_to_be_so(
    classifier: Classifier, tmp_path: Path
) -> None:
    whole = a_sound("bass-pulse").read_bytes()
    path = tmp_path / "cut.au"
    path.write_bytes(whole[: len(whole) // 2])
    prediction = classifier.classify_file(path)
    assert prediction.genre == "bass-pulse"
    assert prediction.warning is not None
    assert "cut off" in prediction.warning


def test_too_short_a_sound_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "blip.wav", tone(0.1, RATE), RATE)
    with pytest.raises(AudioError, match="too short"):
        classifier.classify_file(path)


@pytest.mark.parametrize("rate", [1, 1_000, 2_000_000])
def test_a_rate_that_no_music_has_is_refused(classifier: Classifier, rate: int) -> None:
    with pytest.raises(UserError, match="sample rate"):
        classifier.classify_array(tone(3, 22_050), rate)


def test_a_high_rate_is_taken(classifier: Classifier) -> None:
    assert classifier.classify_array(tone(3, 384_000), 384_000).duration_s == 3


def test_values_that_are_not_finite_are_refused(classifier: Classifier) -> None:
    y = tone(4, RATE)
    y[100] = np.nan
    with pytest.raises(UserError, match="NaN or infinite"):
        classifier.classify_array(y, RATE)


def test_more_than_one_channel_is_refused(classifier: Classifier) -> None:
    with pytest.raises(UserError, match="must be mono"):
        classifier.classify_array(np.zeros((2, 1000), dtype=np.float32), RATE)


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_an_overlap_out_of_range_is_refused(classifier: Classifier, overlap: float) -> None:
    with pytest.raises(UserError, match="overlap"):
        classifier.stream(RATE, overlap=overlap)


def test_a_model_without_calibration_still_knows_silence(tmp_path: Path) -> None:
    plain = torch.load(shared_model(), weights_only=True)
    plain["calibration"] = None
    torch.save(plain, tmp_path / "bare.pth")
    classifier = Classifier.load(tmp_path / "bare.pth")
    assert classifier.classify_file(a_sound("saw-wall")).genre == "saw-wall"
    assert classifier.classify_array(np.zeros(RATE * 4, dtype=np.float32), RATE).reason is Reason.SILENCE


def test_a_damaged_calibration_is_reported(tmp_path: Path) -> None:
    plain = torch.load(shared_model(), weights_only=True)
    plain["calibration"]["texture_mean"] = [0.0]
    torch.save(plain, tmp_path / "damaged.pth")
    with pytest.raises(UserError, match="calibration is damaged"):
        Classifier.load(tmp_path / "damaged.pth")


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved.update(calibration={"temperature": 0.0}),
        lambda saved: saved.update(calibration={"temperature": -1.0}),
        lambda saved: saved.update(calibration={"temperature": float("nan")}),
        lambda saved: saved.update(calibration={"entropy_limit": float("inf")}),
        lambda saved: saved.update(calibration={"texture_mean": [float("nan")]}),
        lambda saved: saved.update(calibration={"texture_limit": 0.0}),
        lambda saved: saved["genres"].__setitem__(1, saved["genres"][0]),
        lambda saved: saved["genres"].__setitem__(0, 7),
        lambda saved: saved["genres"].__setitem__(0, "\x1b]0;owned\x07"),
        lambda saved: next(w for w in saved["weights"].values() if w.is_floating_point()).fill_(float("nan")),
    ],
)
def test_a_hostile_model_is_refused_when_it_is_loaded(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    saved = torch.load(shared_model(), weights_only=True)
    change(saved)
    torch.save(saved, tmp_path / "hostile.pth")
    with pytest.raises(UserError, match="damaged") as refused:
        Classifier.load(tmp_path / "hostile.pth", "cpu")
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
