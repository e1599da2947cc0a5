"""Several excerpts of a file: where they lie, what they sound like, and that a file stays one clip."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.dataset.clip import Clip, excerpts_of
from core.dataset.inspect_file import inspect_file
from core.dataset.load import load_dataset
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features, in_batches
from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.training.loop.loader import BatchLoader
from core.training.loop.precision import choose_precision
from core.training.loop.train import evaluate_model
from core.training.presets import preset
from tests.support.sounds import write

RATE = 8000
SETTINGS = FrontEndSettings(sample_rate=RATE, n_fft=256, hop_length=200, n_mels=16, seconds=1.0)
CLIP = Clip(Path("a.wav"), "a", "a", "0" * 32, RATE, 1, "wav", 0.0)


def tone(hz: float, seconds: float) -> np.ndarray:
    return np.float32(0.5) * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE, dtype=np.float32)


def track(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two genres of four tracks of nine seconds, low, middle and high tones between silences, and a short clip."""
    for genre, factor in (("a", 1.0), ("b", 1.3)):
        (tmp_path / genre).mkdir()
        for i in range(4):
            tones = [tone(hz * factor * (1 + i / 50), 3) for hz in (300, 900, 2000)]
            write(tmp_path / genre / f"{i}.wav", track(silence(2), *tones, silence(1)), RATE)
        write(tmp_path / genre / "short.wav", tone(500 * factor, 1.2), RATE)
    return tmp_path


@given(
    duration=st.floats(0.5, 5000),
    silent=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
    most=st.integers(1, 10),
    seconds=st.floats(0.5, 60),
)
def test_excerpts_lie_in_the_sound_and_do_not_overlap(
    duration: float, silent: tuple[float, float], most: int, seconds: float
) -> None:
    clip = replace(CLIP, duration_s=duration, silent_s=(silent[0] * duration, silent[1] * duration))
    starts = [one.start_s for one in excerpts_of(clip, seconds, most)]
    assert 1 <= len(starts) <= most
    if duration <= 1.5 * seconds:
        assert starts == [0.0]
        return
    assert all(0 <= start <= duration - seconds + 0.05 for start in starts)
    assert all(later - start >= seconds - 0.101 for start, later in pairwise(starts))
    if len(starts) > 1:
        assert starts[0] >= clip.silent_s[0] - 0.05
        assert starts[-1] + seconds <= duration - clip.silent_s[1] + 0.05


def test_first_is_the_beginning_under_the_key_it_always_had() -> None:
    clip = replace(CLIP, duration_s=300.0)
    [first] = excerpts_of(clip, 30.0, "first")
    assert first.key == clip.content
    [middle] = excerpts_of(clip, 30.0, "middle")
    assert middle.start_s == 135.0
    three = excerpts_of(clip, 30.0, 3)
    assert [one.start_s for one in three] == [35.0, 135.0, 235.0]
    assert len({clip.content, *(one.key for one in three)}) == 4
    assert excerpts_of(replace(clip, path=Path("elsewhere.mp3")), 30.0, 3)[1].key == middle.key


@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.0), (0.25, 0.5), (2.0, 40.0)])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_silence_at_both_ends_is_measured(tmp_path: Path, begin: float, end: float, subtype: str) -> None:
    import soundfile

    path = tmp_path / "a.wav"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    soundfile.write(path, track(silence(begin), sound, silence(end)), RATE, subtype=subtype)
    found = inspect_file(path)
    assert found.silent_s == pytest.approx(begin, abs=0.001)
    assert found.silent_end_s == pytest.approx(end, abs=0.001)


def test_rows_are_excerpts_and_clips_are_files(music: Path) -> None:
    features, excluded = compute_features(scan(music).clips, SETTINGS, excerpts=3)
    assert not excluded
    assert len(features) == 10 and features.excerpts.count_N.tolist() == [3, 3, 3, 3, 1] * 2
    assert len(features.frames) == features.mel.shape[0] == 26
    loudest = [int(features.spectrogram(0, k).float().mean(1).argmax()) for k in range(3)]
    assert loudest[0] < loudest[1] < loudest[2]
    assert [clip.name for clip in features.clips] == ["0", "1", "2", "3", "short"] * 2
    batched = in_batches(excerpts_of(features.clips[0], 1.0, 3), FrontEnd(SETTINGS), torch.device("cpu"))
    for k, (_, codes) in enumerate(batched):
        assert isinstance(codes, torch.Tensor)
        assert (codes.int() - features.spectrogram(0, k).int()).abs().max() <= 1


def test_excerpts_are_computed_once_beside_those_of_first(music: Path) -> None:
    clips = scan(music, seconds=np.inf).clips
    progress: list[tuple[int, int, int]] = []
    compute_features(clips, SETTINGS, excerpts=3)
    compute_features(clips, SETTINGS, excerpts=3, on_progress=lambda *counts: progress.append(counts))
    assert progress == [(26, 26, 26)]
    compute_features(clips, SETTINGS, excerpts="middle", on_progress=lambda *counts: progress.append(counts))
    assert progress[1] == (10, 10, 10)  # the middle one of three


def test_a_silent_gap_is_left_out_and_a_late_beginning_is_found(tmp_path: Path) -> None:
    for genre in ("a", "b"):
        (tmp_path / genre).mkdir()
        write(tmp_path / genre / "gap.wav", track(tone(300, 2), silence(5), tone(900, 2)), RATE)
        write(tmp_path / genre / "late.wav", track(silence(4), tone(300, 2.5)), RATE)
    found = scan(tmp_path, seconds=np.inf)
    features, excluded = compute_features(found.clips, SETTINGS, excerpts=3)
    assert not excluded
    assert features.excerpts.count_N.tolist() == [2, 2, 2, 2]
    _, excluded = compute_features(found.clips, SETTINGS, excerpts="first")
    assert [item.reason for item in excluded] == ["is silent in its first 1 s"] * 2


def test_logits_of_a_file_are_the_mean_over_its_excerpts(music: Path) -> None:
    loaded = load_dataset(music, SETTINGS, excerpts=3)
    loader = BatchLoader(loaded.features.to("cpu"), SETTINGS.frames, torch.device("cpu"))
    recipe = preset("seed", str(music))

    class Loudness(torch.nn.Module):
        def forward(self, mel_BMT: torch.Tensor) -> torch.Tensor:
            return mel_BMT.mean((1, 2))[:, None].repeat(1, 2)

    clips = torch.tensor([0, 4])
    precision = choose_precision(recipe, torch.device("cpu"))
    logits = evaluate_model(Loudness(), loader, clips, crops=1, precision=precision).logits
    features = loaded.features
    rows = features.as_decibels(features.batch([0, 1, 2, 12]))
    expected = rows[:3].mean((1, 2)).mean(), features.as_decibels(features.batch([12])).mean()
    assert logits[:, 0].tolist() == pytest.approx([float(value) for value in expected], abs=1e-2)
    assert len(logits) == 2
