"""Each augmentation, alone, does to a spectrogram what it says."""

from typing import Any

import pytest
import torch

from core.features.augment import Augment, _beta, _RandomNumbers
from core.features.log_mel import mel_frequencies, position_of
from core.features.settings import AUGMENTATION_LIMITS, AugmentationSettings, FrontEndSettings

FRONT_END = FrontEndSettings(n_mels=96, mel_scale="slaney", mel_norm="slaney", top_db=80.0)
LABELS = torch.eye(4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def music(frames: int = 60) -> torch.Tensor:
    """Four clips of noise that moves slowly over bands and frames, in dB."""
    coarse = -80 * torch.rand(4, 1, 12, 10, generator=generator(1))
    return torch.nn.functional.interpolate(coarse, size=(96, frames), mode="bilinear", align_corners=True)[:, 0]


def augment(
    mel: torch.Tensor, draws: torch.Generator | None = None, **settings: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    return Augment(AugmentationSettings(**settings), FRONT_END)(mel, LABELS, draws or generator())


EFFECTS = ["time_stretch", "pitch_shift", "noise", "gain", "tilt", "equaliser", "roll", "time_mask", "frequency_mask"]


def test_nothing_by_default() -> None:
    mel, labels = augment(music())
    assert torch.equal(mel, music())
    assert torch.equal(labels, LABELS)


@pytest.mark.parametrize("effect", [*EFFECTS, "mixup"])
def test_repeatable_and_leaves_its_input_alone(effect: str) -> None:
    given = music()
    first, second = augment(given, None, **{effect: 1.0}), augment(given, None, **{effect: 1.0})
    assert torch.equal(given, music())
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], augment(given, generator(1), **{effect: 1.0})[0])


@pytest.mark.parametrize("effect", [*EFFECTS, "mixup"])
def test_probability_decides_how_many_clips_are_struck(effect: str) -> None:
    mel = music().repeat(100, 1, 1)
    labels = LABELS.repeat(100, 1)
    augmenter = Augment(AugmentationSettings(**{effect: 0.3}), FRONT_END)  # type: ignore[arg-type]
    changed = (augmenter(mel, labels, generator())[0] - mel).abs().amax((1, 2)) > 1e-3
    assert 0.15 < changed.float().mean() < 0.4


@pytest.mark.parametrize("effect", EFFECTS)
def test_labels_stay(effect: str) -> None:
    assert torch.equal(augment(music(), None, **{effect: 1.0})[1], LABELS)


def test_pitch_shift_moves_a_tone_to_its_new_frequency() -> None:
    tone = torch.full((4, 96, 20), -80.0)
    tone[:, 40] = 0
    shifted, _ = augment(tone, pitch_shift=1.0, pitch_shift_range=4.0)
    frequencies = mel_frequencies(FRONT_END)
    # The same draws again: strikes first, then the amount.
    again = generator()
    torch.rand(4, generator=again)
    semitones = (2 * torch.rand(4, generator=again) - 1) * 4
    expected = position_of(frequencies[40] * torch.exp2(semitones / 12), FRONT_END)
    found = shifted.mean(2).argmax(1)
    assert (found - expected).abs().max() <= 1
    assert semitones.abs().max() > 1


def test_time_stretch_keeps_the_middle_and_moves_the_rest() -> None:
    mel = torch.full((4, 96, 101), -80.0)
    mel[:, :, [50, 80]] = 0
    stretched, _ = augment(mel, time_stretch=1.0, time_stretch_range=0.3)
    level = stretched.mean(1)
    assert (level[:, 48:53].amax(1) > -20).all()
    assert (level[:, 60:].argmax(1) + 60 - 80).abs().max() >= 2


def test_tilt_is_a_line_over_the_bands() -> None:
    tilt = (augment(music(), tilt=1.0)[0] - music())[:, :, 0]
    steps = tilt.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-4, rtol=0)
    assert (tilt[:, 0] + tilt[:, -1]).abs().max() < 1e-4
    assert 0 < (tilt[:, -1] - tilt[:, 0]).abs().max() <= 6


def test_equaliser_is_one_curve_for_the_whole_clip() -> None:
    curve = augment(music(), equaliser=1.0, equaliser_range=5.0)[0] - music()
    torch.testing.assert_close(curve, curve[:, :, :1].expand_as(curve), atol=1e-4, rtol=0)
    assert 1 < curve.abs().max() <= 5


def test_gain_is_one_number_for_the_whole_clip() -> None:
    gain = augment(music(), gain=1.0, gain_range=3.0)[0] - music()
    torch.testing.assert_close(gain, gain[:, :1, :1].expand_as(gain), atol=1e-4, rtol=0)
    assert 0 < gain.abs().max() <= 3


def test_noise_has_the_power_that_was_asked_for() -> None:
    mel = music()
    noisy, _ = augment(mel, noise=1.0, noise_snr=(10.0, 10.0))
    signal = (10 ** (mel / 10)).mean((1, 2))
    noise = (10 ** (noisy / 10) - 10 ** (mel / 10)).mean((1, 2))
    torch.testing.assert_close(10 * torch.log10(signal / noise), torch.full((4,), 10.0), atol=0.5, rtol=0)


def test_roll_keeps_every_frame() -> None:
    mel = music()
    rolled, _ = augment(mel, roll=1.0)
    shifts = [next(n for n in range(60) if torch.equal(b.roll(-n, 1), a)) for a, b in zip(rolled, mel, strict=True)]
    assert len(set(shifts)) > 1


@pytest.mark.parametrize(("effect", "axis", "widest"), [("time_mask", 1, 6), ("frequency_mask", 2, 16)])
def test_masks_cover_at_most_their_width(effect: str, axis: int, widest: int) -> None:
    covered = (augment(music(), None, **{effect: 1.0})[0] - music()).abs().amax(axis) > 1e-4
    assert covered.any()
    assert covered.sum(1).max() <= widest + 1
    for row in covered:  # one stretch
        assert (row.int().diff().abs().sum()) <= 2


def test_mixup_mixes_sound_and_label_alike() -> None:
    sounds = torch.eye(4)[:, :, None].expand(4, 4, 30) * -80
    front_end = FrontEndSettings(n_mels=4)
    mixed, labels = Augment(AugmentationSettings(mixup=1.0, mixup_alpha=1.0), front_end)(sounds, LABELS, generator())
    torch.testing.assert_close(mixed[:, :, 0] / -80, labels)
    torch.testing.assert_close(labels.sum(1), torch.ones(4))
    assert (labels.diagonal() >= 0.5).all()
    assert labels.diagonal().min() < 1


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    shares = _beta(alpha, _RandomNumbers(20_000, torch.device("cpu"), generator()))
    assert abs(shares.mean() - 0.5) < 0.02
    assert abs(shares.var() - 0.25 / (2 * alpha + 1)) < 0.01


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_axis_is_the_front_ends(scale: str) -> None:
    settings = FrontEndSettings(mel_scale=scale)  # type: ignore[arg-type]
    torch.testing.assert_close(
        position_of(mel_frequencies(settings), settings), torch.arange(128.0), atol=2e-3, rtol=1e-4
    )
    assert mel_frequencies(settings)[-1] < 11_025


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(effect, probability) for effect in [*EFFECTS, "mixup"] for probability in (-0.1, 1.5, float("nan"))],
        *[(name, -1.0) for name in ("time_stretch_range", "pitch_shift_range", "gain_range", "tilt_range")],
        ("equaliser_range", float("inf")),
        ("time_stretch_range", 1.0),
        ("time_mask_fraction", 1.1),
        ("frequency_mask_bands", -1),
        ("mixup_alpha", 0.0),
        ("mixup_alpha", -0.2),
        ("noise_snr", (40.0, 10.0)),
        ("noise_snr", (float("nan"), 10.0)),
    ],
)
def test_settings_that_make_no_sense_are_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be"):
        AugmentationSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [0, 1])
def test_all_that_is_allowed_leaves_numbers(end: int) -> None:
    """The limits keep NaN away: at both ends of every one of them what comes out is finite."""
    ends = {name: limits[end] for name, limits in AUGMENTATION_LIMITS.items() if name not in (*EFFECTS, "mixup")}
    settings = AugmentationSettings(**ends, **dict.fromkeys([*EFFECTS, "mixup"], 1.0))  # type: ignore[arg-type]
    mel, labels = Augment(settings, FRONT_END)(music(), LABELS, generator())
    assert mel.isfinite().all()
    torch.testing.assert_close(labels.sum(1), torch.ones(4))
