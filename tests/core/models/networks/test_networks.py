"""What the networks made of residual blocks promise: any length, any number of genres, blindness to level, small."""

import pytest
import torch

from core.models.layers.int8_conv import has_int8
from core.models.layers.normalisation import TwoViews, fit_standardisation, fuse_batch_norm, init_batch_norm_stats
from core.models.networks.residual_cnn import convolve_in_low_precision
from core.models.registry import build_model

NAMES = ["ensemble_cnn", "hybrid_cnn", "residual_cnn", "crnn", "cnn_attention"]


def music(clips: int, frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return -80 * torch.rand(clips, 64, frames, generator=generator)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(name: str, genres: int = 4) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(name, n_mels=64, genres=genres, frames=50)
    fit_standardisation(model, music(8, 50))
    return model.eval()


@pytest.mark.parametrize("frames", [16, 17, 97, 400])
@pytest.mark.parametrize("genres", [2, 10])
def test_any_length_and_number_of_genres(name: str, frames: int, genres: int) -> None:
    with torch.no_grad():
        assert build(name, genres)(music(3, frames)).shape == (3, genres)


def test_level_and_decibel_scale_change_nothing(name: str) -> None:
    model, mel = build(name), music(3, 60)
    with torch.no_grad():
        torch.testing.assert_close(model(0.7 * mel - 9), model(mel), atol=1e-4, rtol=1e-4)


def test_a_clip_is_classified_by_itself(name: str) -> None:
    model, mel = build(name), music(3, 60)
    with torch.no_grad():
        torch.testing.assert_close(model(mel)[1:2], model(mel[1:2]), atol=1e-5, rtol=1e-4)


def test_silence_gives_finite_logits(name: str) -> None:
    with torch.no_grad():
        assert build(name)(torch.full((1, 64, 40), -80.0)).isfinite().all()


def test_at_most_a_million_parameters(name: str) -> None:
    model = build_model(name, n_mels=128, genres=10, frames=97)
    assert sum(weights.numel() for weights in model.parameters()) <= 1_000_000


def test_learns_two_classes(name: str) -> None:
    """Broad-band beats against a steady tone, at random levels: every network must tell them apart in a few steps."""
    torch.manual_seed(0)
    mel = music(16, 48) / 4 - 40
    mel[:8, :, ::8] += 30
    mel[8:, 20:24] += 30
    mel = mel + 10 * torch.randn(16, 1, 1)
    labels = torch.arange(16) // 8
    model = build_model(name, n_mels=64, genres=2, frames=48, width=8)
    fit_standardisation(model, mel)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(model(mel), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.3


def test_second_view_has_lost_the_average_spectrum() -> None:
    views, mel = TwoViews(64), music(2, 50)
    equaliser = 10 * torch.sin(torch.arange(64.0) / 5)[:, None]
    views.standardise.fit(mel)
    assert views(mel).shape == (2, 2, 64, 50)
    torch.testing.assert_close(views(mel)[:, 1].mean(2), torch.zeros(2, 64), atol=1e-5, rtol=0)
    # An equaliser changes the first view's bands, and only the scale of the second's.
    before, after = views(mel)[:, 1], views(mel + equaliser)[:, 1]
    correlation = torch.nn.functional.cosine_similarity(before.flatten(1), after.flatten(1), dim=1)
    assert (correlation > 0.999).all()


@pytest.mark.parametrize(
    "int8", [False, pytest.param(True, marks=pytest.mark.skipif(not has_int8(), reason="no int8"))]
)
@torch.no_grad()
def test_low_precision_gives_nearly_the_same_logits(int8: bool) -> None:
    exact, fast, mel = build("residual_cnn"), build("residual_cnn"), music(6, 39)
    for model in (exact, fast):
        init_batch_norm_stats(model, mel)
        model.eval()
    convolve_in_low_precision(fast, int8=int8)
    fuse_batch_norm(fast)
    expected = exact(mel)
    assert (fast(mel) - expected).abs().max() < 0.15 * expected.std()
    torch.testing.assert_close(fast(mel[1:2]), fast(mel)[1:2], atol=1e-5, rtol=1e-4)
