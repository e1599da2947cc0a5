"""A preview shows what an augmentation does, and lets one hear about that."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from core.features.augment import augment_preview, augment_preview_of_mel
from core.features.log_mel import FrontEnd
from core.features.settings import EFFECTS, AugmentationSettings, FrontEndSettings, effects_of, range_of
from core.training.presets import preset
from core.util.errors import UserError
from tui.cli import main

FRONT_END = FrontEndSettings(mel_scale="slaney", mel_norm="slaney", top_db=80.0)


def music(seconds: float = 2.0) -> np.ndarray:
    """A chord with beats."""
    time = np.arange(int(seconds * 22_050)) / 22_050
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (330.0, 415.0, 494.0))
    beats = 0.1 + np.exp(-8 * (time % 0.5))
    return (chord * beats / 4).astype(np.float32)


def test_every_effect_is_heard_by_itself_and_then_all() -> None:
    previews = augment_preview(music(), FRONT_END, AugmentationSettings(), ["pitch_shift", "equaliser"])
    assert [trial.effect for trial in previews] == ["original", "pitch_shift", "equaliser", "all"]
    for trial in previews[1:]:
        assert (trial.mel_MT - previews[0].mel_MT).abs().max() > 0.5
    for trial in previews:
        assert trial.mel_MT.max() == 0
        assert 0.85 < np.abs(trial.sound()).max() <= 0.9001


def test_a_stored_spectrogram_shows_the_same_as_its_sound() -> None:
    settings = AugmentationSettings(pitch_shift_range=1.0)
    mel_MT = FrontEnd(FRONT_END)(torch.from_numpy(music())[None])[0]
    stored = augment_preview_of_mel(mel_MT, FRONT_END, settings, ["pitch_shift", "tilt"], seed=3)
    sounded = augment_preview(music(), FRONT_END, settings, ["pitch_shift", "tilt"], seed=3)
    assert [trial.effect for trial in stored] == [trial.effect for trial in sounded]
    for one, other in zip(stored, sounded, strict=True):
        torch.testing.assert_close(one.mel_MT, other.mel_MT)


def test_every_effect_has_its_range_in_words() -> None:
    settings = AugmentationSettings(time_stretch_range=0.15, pitch_shift_range=2.0)
    assert range_of("time_stretch", settings) == "tempo ±15%"
    assert range_of("pitch_shift", settings) == "±2 semitones"
    assert all(range_of(effect, settings) for effect in EFFECTS)


def test_sound_has_about_the_spectrogram_that_is_shown() -> None:
    (original,) = augment_preview(music(), FRONT_END, AugmentationSettings(), [])
    again = FrontEnd(FRONT_END)(torch.from_numpy(original.sound())[None])[0]
    frames = min(again.shape[1], original.mel_MT.shape[1])
    pair = torch.stack([again[:, :frames].flatten(), original.mel_MT[:, :frames].flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.9


def test_a_wide_hop_is_narrowed_since_phases_need_overlap() -> None:
    wide = FrontEndSettings(hop_length=1709, mel_scale="slaney", mel_norm="slaney", top_db=80.0)
    (original,) = augment_preview(music(), wide, AugmentationSettings(), [])
    assert original.mel_MT.shape[1] == 2 * 22_050 // 512 + 1


def test_effects_of_a_recipe_are_those_with_a_probability() -> None:
    assert effects_of(AugmentationSettings(noise=0.1, mixup=1.0, tilt=0.2)) == ["noise", "tilt"]


def test_command_writes_pictures_and_sounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, music(), 22_050)
    out = tmp_path / "out"
    assert main(["data", "preview", str(clip), str(out), "--effect", "tilt", "--seconds", "1"]) == 0
    told = capsys.readouterr()
    written = [Path(line) for line in told.out.splitlines()]
    assert {path.name for path in written} == {"original.png", "original.wav", "tilt.png", "tilt.wav"}
    assert all(path.is_file() for path in written)
    assert 0.9 < soundfile.info(out / "tilt.wav").duration < 1.1
    assert f"tilt_range {preset('best', '').augmentation.tilt_range}" in told.err


def test_an_unknown_effect_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "preview", "clip.wav", str(tmp_path), "--effect", "reverb"]) == 2
    error = capsys.readouterr().err
    assert "reverb" in error
    assert EFFECTS[0] in error


def test_sound_as_short_as_a_window_can_be_heard_and_shorter_sound_is_refused() -> None:
    shortest = music()[: FRONT_END.n_fft]
    for trial in augment_preview(shortest, FRONT_END, AugmentationSettings(), EFFECTS):
        assert np.isfinite(trial.sound()).all()
    with pytest.raises(UserError, match=r"needs at least 0.1 s of sound, not 0.093 s"):
        augment_preview(shortest[:-1], FRONT_END, AugmentationSettings(), [])


@pytest.mark.parametrize(
    ("options", "sentence", "status"),
    [
        (["--seconds", "0.01"], "needs at least 0.1 s", 1),
        (["--start", "1.99"], "needs at least 0.1 s", 1),
        (["--start", "60"], "holds no samples at 60 s", 1),
        (["--seconds", "nan"], "--seconds must be", 2),
        (["--seconds", "inf"], "--seconds must be", 2),
        (["--start", "nan"], "--start must be", 2),
        (["--seed", "-1"], "--seed must be", 2),
        (["--seed", "99999999999999999999"], "--seed must be", 2),
        (["--set", "equaliser_range=loud"], "equaliser_range", 2),
        (["--set", "equaliser=2"], "equaliser must be from 0 to 1", 2),
        (["--set", "reverb=1"], "reverb", 2),
    ],
)
def test_what_cannot_be_previewed_writes_nothing(
    options: list[str], sentence: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out = tmp_path / "clip.wav", tmp_path / "out"
    soundfile.write(clip, music(), 22_050)
    assert main(["data", "preview", str(clip), str(out), *options]) == status
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not out.exists()


def test_settings_can_be_changed_for_a_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, music(), 22_050)
    command = ["data", "preview", str(clip), str(tmp_path), "--preset", "quick", "--seconds", "0.5"]
    assert main([*command, "--set", "gain=0.25", "--set", "gain_range=12"]) == 0
    told = capsys.readouterr()
    assert {Path(line).name for line in told.out.splitlines()} == {
        *("original.png", "original.wav", "gain.png", "gain.wav")
    }
    assert "gain: probability 0.25 in the preset quick with these settings; gain_range 12.0" in told.err


@pytest.mark.parametrize("taken", ["original.png", "original.wav", ""])
def test_a_folder_that_cannot_be_written_is_reported(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out = tmp_path / "clip.wav", tmp_path / "out"
    soundfile.write(clip, music(0.5), 22_050)
    if taken:
        (out / taken).mkdir(parents=True)
    else:
        out.touch()
    assert main(["data", "preview", str(clip), str(out), "--preset", "quick"]) == 1
    error = capsys.readouterr().err
    assert f"{out} cannot be written" in error
    assert "Traceback" not in error
