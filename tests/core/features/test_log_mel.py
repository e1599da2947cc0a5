"""The front end: what torchaudio computes, clip by clip, at any level."""

import numpy as np
import pytest
import torch

from core.features.log_mel import FrontEnd, dequantise, quantise
from core.features.settings import FrontEndSettings
from core.features.torchaudio_import import torchaudio
from tests.support.sounds import sweep

SETTINGS = FrontEndSettings()


def clips() -> torch.Tensor:
    """(4, 3 s): a tone, noise, a click, and silence; at very different levels."""
    generator = torch.Generator().manual_seed(0)
    click = torch.zeros(66_150)
    click[30_000] = 1
    noise = torch.randn(66_150, generator=generator)
    return torch.stack([torch.from_numpy(sweep(3, 22_050)), noise * 1e-4, click * 30, torch.zeros(66_150)])


def test_it_is_what_torchaudio_gives() -> None:
    wave = clips()[:1]
    mel = torchaudio.transforms.MelSpectrogram(22_050, n_fft=2048, hop_length=512, n_mels=128, pad_mode="constant")(
        wave / wave.abs().max()
    )
    expected = torchaudio.transforms.AmplitudeToDB("power", top_db=100)(mel)
    torch.testing.assert_close(FrontEnd(SETTINGS)(wave), expected - expected.max(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("top_db", [40.0, 80.0, 120.0])
def test_every_clip_has_its_own_maximum_and_floor(power: float, top_db: float) -> None:
    mel = FrontEnd(FrontEndSettings(top_db=top_db, power=power))(clips())
    assert (mel.dtype, mel.shape) == (torch.float32, (4, 128, 130))
    assert mel[:3].amax((1, 2)).tolist() == [0, 0, 0]
    torch.testing.assert_close(mel[3], torch.full_like(mel[3], -top_db))
    assert mel.min() >= -top_db - 1e-3
    assert mel[2, :, 5].tolist() == pytest.approx([-top_db] * 128)


def test_a_clip_is_the_same_alone_and_in_a_batch() -> None:
    front_end = FrontEnd(SETTINGS)
    wave = clips()
    together = front_end(wave)
    alone = torch.cat([front_end(y[None]) for y in wave])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_extreme_levels_beside_ordinary_ones_change_neither() -> None:
    """Only they are scaled before the transform."""
    front_end = FrontEnd(SETTINGS)
    level_B1 = torch.tensor([1e-18, 1.0, 1e18, 1.0])[:, None]
    torch.testing.assert_close(front_end(clips() * level_B1), front_end(clips()), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("n_fft", "hop_length", "samples"),
    [
        (2048, 512, 200_000),
        (2048, 1709, 66_150),
        (2048, 3000, 9_000),
        (512, 160, 1_000),
        (1023, 100, 5_000),
        (512, 9, 1),
    ],
)
def test_frames_read_in_place_are_those_of_the_padded_sound(n_fft: int, hop_length: int, samples: int) -> None:
    front_end = FrontEnd(FrontEndSettings(n_fft=n_fft, hop_length=hop_length, n_mels=40))
    wave = torch.randn(3, samples, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(wave, (n_fft // 2, n_fft // 2 + 1))
    parts = front_end.spectrum(padded)[:, : front_end.frames_of(samples)]
    expected = (parts.square().sum(3) @ front_end.mel_filters).transpose(1, 2)
    torch.testing.assert_close(front_end.energies(wave), expected, atol=1e-6 * float(expected.max()), rtol=0)


def test_zeros_at_the_end_change_none_of_its_frames() -> None:
    front_end = FrontEnd(SETTINGS)
    wave = clips()
    frames = front_end.frames_of(wave.shape[1])
    padded = front_end(torch.nn.functional.pad(wave, (0, 9_999)))
    torch.testing.assert_close(padded[:, :, :frames], front_end(wave), atol=1e-4, rtol=0)


@pytest.mark.parametrize("level", [1e-12, 1e-3, 1e6, 1e18])
def test_level_does_not_matter(level: float) -> None:
    front_end = FrontEnd(SETTINGS)
    wave = clips()[:3]
    torch.testing.assert_close(front_end(wave * level), front_end(wave), atol=1e-2, rtol=0)


def test_the_shortest_wave_has_a_frame() -> None:
    assert FrontEnd(SETTINGS)(torch.ones(1, 1)).shape == (1, 128, 1)


def test_frames_match_the_settings() -> None:
    for settings in (SETTINGS, FrontEndSettings(hop_length=1709, seconds=29.956), FrontEndSettings(seconds=0.1)):
        front_end = FrontEnd(settings)
        assert front_end(torch.ones(1, settings.samples)).shape[2] == settings.frames
        assert front_end.frames_of(settings.samples) == settings.frames


def test_the_scale_and_the_norm_are_the_settings() -> None:
    wave = clips()[1:2]
    htk, slaney = (FrontEnd(FrontEndSettings(mel_scale=scale))(wave) for scale in ("htk", "slaney"))
    normed = FrontEnd(FrontEndSettings(mel_scale="slaney", mel_norm="slaney"))(wave)
    assert not torch.allclose(htk, slaney, atol=1)
    assert not torch.allclose(slaney, normed, atol=1)
    # Without a norm, white noise rises with the width of the bands; with it, it is flat.
    assert slaney[0, -10:].mean() - slaney[0, :10].mean() > 5
    assert abs(normed[0, -10:].mean() - normed[0, 20:30].mean()) < 2


def test_autocast_around_it_changes_nothing() -> None:
    front_end = FrontEnd(SETTINGS)
    wave = clips()
    with torch.autocast("cpu", torch.bfloat16):
        inside = front_end(wave)
    torch.testing.assert_close(inside, front_end(wave), atol=0, rtol=0)


@pytest.mark.parametrize("top_db", [80.0, 100.0])
def test_bytes_are_right_to_half_a_step(top_db: float) -> None:
    mel = FrontEnd(FrontEndSettings(top_db=top_db))(clips())
    codes = quantise(mel, top_db)
    assert codes.dtype == torch.uint8
    back = dequantise(codes, top_db)
    assert (back - mel).abs().max() <= top_db / 255 / 2 + 1e-4
    assert (back.min().item(), back.max().item()) == (-top_db, 0)
    np.testing.assert_array_equal(quantise(back, top_db), codes)


@pytest.mark.parametrize("name", ["sample_rate", "n_fft", "hop_length", "n_mels", "power", "top_db", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e12])
def test_settings_outside_their_limits_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be from"):
        FrontEndSettings(**{name: value})  # type: ignore[arg-type]
