"""The reference network and its small sibling, and the standardisation of their input."""

import subprocess
import sys

import pytest
import torch

from core.models.layers.conv import FullyConnected
from core.models.layers.normalisation import Standardise, fit_standardisation, init_batch_norm_stats
from core.models.registry import (
    ARCHITECTURES,
    FEWEST_FRAMES,
    MODEL_NAMES,
    MODELS,
    OPTIONS,
    build_model,
    network_class,
    options_of,
)
from core.util.errors import UserError


def mel(clips: int, frames: int, bands: int = 64) -> torch.Tensor:
    return -80 * torch.rand(clips, bands, frames, generator=torch.Generator().manual_seed(0))


def parameters(model: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in model.parameters())


def test_the_reference_network_has_the_reference_size() -> None:
    with torch.device("meta"):
        model = build_model("seed_cnn", n_mels=128, genres=10, frames=1292)
    assert parameters(model) == pytest.approx(169.0e6, rel=1e-3)
    assert model.head[0].weight.numel() == pytest.approx(168.8e6, rel=1e-3)  # type: ignore[index, union-attr]


def test_the_small_one_has_a_third_of_a_million() -> None:
    assert 0.3e6 < parameters(build_model("small_cnn", n_mels=128, genres=10, frames=258)) < 0.4e6


@pytest.mark.parametrize("genres", [2, 10])
@pytest.mark.parametrize("frames", [16, 43, 200])
def test_small_cnn_takes_any_length(frames: int, genres: int) -> None:
    model = build_model("small_cnn", n_mels=64, genres=genres, frames=100).eval()
    assert model(mel(3, frames)).shape == (3, genres)


def test_seed_cnn_takes_its_own_length() -> None:
    model = build_model("seed_cnn", n_mels=64, genres=4, frames=43).eval()
    assert model(mel(3, 43)).shape == (3, 4)
    with pytest.raises(UserError, match="at least 8"):
        build_model("seed_cnn", n_mels=64, genres=4, frames=7)


def test_every_name_has_a_network_and_a_line() -> None:
    for name in MODEL_NAMES:
        assert MODELS[name]
        build_model(name, n_mels=32, genres=3, frames=40)
    with pytest.raises(UserError, match="small_cnn"):
        build_model("big_cnn", n_mels=32, genres=3, frames=40)


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [
        ("small_cnn", "widht", 3),
        ("small_cnn", "width", 3),  # another network's
        ("residual_cnn", "width", -4),
        ("residual_cnn", "width", 0),
        ("residual_cnn", "width", 2.5),
        ("residual_cnn", "width", True),
        ("residual_cnn", "width", 10**9),
        ("crnn", "hidden", 0),
        ("cnn_attention", "depth", 0),
        ("cnn_attention", "heads", 5),
        ("cnn_attention", "heads", 0),
        ("hybrid_cnn", "bandwidth", 0),
        ("hybrid_cnn", "shrinkage", -1),
        ("hybrid_cnn", "shrinkage", 0),
        ("hybrid_cnn", "logit_scale", "x"),
        ("hybrid_cnn", "logit_scale", float("nan")),
        ("seed_cnn", "dropout", 1.5),
        ("seed_cnn", "dropout", float("nan")),
    ],
)
def test_a_wrong_option_is_named_with_its_model(model: str, option: str, value: int | float | str | bool) -> None:
    with pytest.raises(UserError, match=option) as refused:
        build_model(model, n_mels=32, genres=3, frames=40, **{option: value})
    assert model in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("model", [name for name in MODEL_NAMES if name != "seed_cnn"])
def test_windows_too_short_for_a_network_are_refused(model: str) -> None:
    with pytest.raises(UserError, match=f"{model} needs windows of at least 16 frames, not 15"):
        build_model(model, n_mels=32, genres=3, frames=15)


@pytest.mark.parametrize("model", ["small_cnn", "seed_cnn", "hybrid_cnn"])
def test_bands_too_few_for_a_network_are_refused(model: str) -> None:
    with pytest.raises(UserError, match="at least 8"):
        build_model(model, n_mels=7, genres=3, frames=40)


def test_every_option_of_every_network_has_its_limits_and_begins_inside_them() -> None:
    for name in MODEL_NAMES:
        options = options_of(network_class(name))
        assert options and all(OPTIONS[option].allow(value) for option, value in options.items())


def test_a_recipe_of_an_earlier_version_names_an_option_as_it_was_called() -> None:
    model = build_model("hybrid_cnn", n_mels=32, genres=3, frames=40, trust=0.4)
    assert model.logit_scale == 0.4


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_declared_length_is_what_a_network_takes(name: str) -> None:
    model = build_model(name, n_mels=32, genres=3, frames=40).eval()
    if ARCHITECTURES[name].fixed_length:
        with pytest.raises(RuntimeError):
            model(mel(1, 56, 32))
    else:
        assert model(mel(1, FEWEST_FRAMES, 32)).shape == model(mel(1, 56, 32)).shape == (1, 3)


def test_names_and_summaries_load_no_torch() -> None:
    program = "import sys, core.models.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_bands_become_alike() -> None:
    windows = mel(50, 30) * torch.linspace(0.1, 1, 64)[:, None] - torch.linspace(0, 20, 64)[:, None]
    standardise = Standardise(64)
    standardise.fit(windows)
    out = standardise(windows)
    torch.testing.assert_close(out.mean((0, 2)), torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std((0, 2)), torch.ones(64), atol=1e-3, rtol=0)


def test_one_band_stands_for_the_whole_spectrogram() -> None:
    windows = mel(20, 30)
    standardise = Standardise(1)
    standardise.fit(windows)
    out = standardise(windows)
    assert abs(float(out.mean())) < 1e-4 and abs(float(out.std()) - 1) < 1e-3
    torch.testing.assert_close(out, (windows - windows.mean()) / windows.std())


def test_a_silent_band_stays_finite_and_small() -> None:
    windows = mel(20, 30)
    windows[:, 5] = -80.0
    standardise = Standardise(64)
    standardise.fit(windows)
    assert float(standardise(windows).abs().max()) < 10
    silent = Standardise(64)
    silent.fit(torch.full((4, 64, 10), -80.0))
    assert silent(torch.full((1, 64, 10), -80.0)).isfinite().all()


def test_small_cnn_hears_no_level_and_seed_cnn_does() -> None:
    windows = mel(4, 40)
    for name, blind in (("small_cnn", True), ("seed_cnn", False)):
        model = build_model(name, n_mels=64, genres=3, frames=40).eval()
        fit_standardisation(model, windows)
        with torch.no_grad():
            assert torch.allclose(model(windows - 20), model(windows), atol=1e-4) == blind


def test_settled_normalisation_judges_the_batch_as_training_does() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", n_mels=64, genres=3, frames=40, dropout=0.0)
    windows = mel(64, 40)
    fit_standardisation(model, windows)
    with torch.no_grad():
        unsettled = model.eval()(windows)
        before = {name: weights.clone() for name, weights in model.named_parameters()}
        init_batch_norm_stats(model, windows)
        trained = model.train()(windows)
        init_batch_norm_stats(model, windows)
        settled = model.eval()(windows)
    assert float((settled - trained).abs().max()) < 0.1 * float((unsettled - trained).abs().max())
    assert all(torch.equal(weights, before[name]) for name, weights in model.named_parameters())
    assert all(layer.momentum == 0.2 for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d))


def test_statistics_travel_with_the_weights() -> None:
    one = build_model("small_cnn", n_mels=64, genres=3, frames=40).eval()
    fit_standardisation(one, mel(20, 40))
    other = build_model("small_cnn", n_mels=64, genres=3, frames=40).eval()
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(mel(2, 40)), other(mel(2, 40)))


def test_wide_layers_stay_in_float32_on_a_cpu() -> None:
    """Under bfloat16 oneDNN would end the process here: so wide it is for the archive's 387 frames."""
    layer = FullyConnected(98_304, 512)
    x = torch.randn(16, 98_304).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, torch.nn.functional.linear(x.float(), layer.weight, layer.bias))
