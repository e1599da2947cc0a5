"""musicnn: its weights come from the package's checkpoint, and its forward pass is TensorFlow's."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.models.encoders import musicnn_wheel
from core.models.encoders.musicnn import FRAMES, MEL, Musicnn, from_tensorflow
from core.models.encoders.musicnn_wheel import DATA, INDEX, LICENCE_FILE, install
from core.models.encoders.registry import ENCODERS, LICENCE, WEIGHTS, encoder_folder
from core.util.errors import UserError
from tests.support.tensor_bundle import bundle

Variables = dict[str, npt.NDArray[np.generic]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def variables() -> Variables:
    """Variables of the checkpoint's names and shapes, with random values."""
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"dense/kernel": (1506, 200), "dense/bias": (200,), "beta1_power": ()}
    shapes |= {"dense_1/kernel": (200, 50), "dense_1/bias": (50,)}
    kernels = [
        (7, 38, 204),
        (7, 67, 204),
        (128, 1, 51),
        (64, 1, 51),
        (32, 1, 51),
        (7, 561, 64),
        (7, 64, 64),
        (7, 64, 64),
    ]
    for i, (frames, bands, channels) in enumerate(kernels):
        suffix = f"_{i}" if i else ""
        shapes |= {f"conv2d{suffix}/kernel": (frames, bands, 1, channels), f"conv2d{suffix}/bias": (channels,)}
    for i, size in enumerate([1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200]):
        suffix = f"_{i}" if i else ""
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization{suffix}/{name}"] = (size,)
    made: Variables = {}
    for name, shape in shapes.items():
        values = random.normal(0, 0.1, shape)
        made[name] = np.asarray(np.abs(values) + 0.5 if "variance" in name else values, dtype=np.float32)
    return made


def make_wheel(path: Path, variables: Variables) -> str:
    index, data = bundle(variables)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in ((INDEX, index), (DATA, data), (LICENCE_FILE, b"do as you like")):
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wheel_becomes_safetensors_with_its_licence(tmp_path: Path, variables: Variables) -> None:
    digest = make_wheel(tmp_path / "w.whl", variables)
    folder = install(tmp_path / "w.whl", digest)
    assert folder == encoder_folder("musicnn")
    assert (folder / LICENCE).read_text() == "do as you like"
    weights = load_file(folder / WEIGHTS)
    np.testing.assert_array_equal(
        weights["timbral.1.convolution.weight"].numpy(), variables["conv2d_1/kernel"].transpose(3, 2, 0, 1)
    )
    np.testing.assert_array_equal(
        weights["units_norm.running_var"], variables["batch_normalization_10/moving_variance"]
    )
    # The two scalars of the optimiser are not part of the network.
    assert sum(weight.numel() for weight in weights.values()) == 792_079
    assert not any(weight.requires_grad for weight in Musicnn.load(folder / WEIGHTS).parameters())


def test_a_wheel_of_another_digest_or_with_missing_tensors_is_refused(tmp_path: Path, variables: Variables) -> None:
    path = tmp_path / "w.whl"
    digest = make_wheel(path, {name: values for name, values in variables.items() if name != "conv2d_3/kernel"})
    with pytest.raises(UserError, match="not the expected file"):
        install(path)
    with pytest.raises(UserError, match=r"w\.whl cannot be read: it has no temporal\.1\.convolution\.weight"):
        install(path, digest)
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match="cannot be read"):
        install(path, hashlib.sha256(b"no zip").hexdigest())
    assert not encoder_folder("musicnn").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"units.weight": torch.zeros(3)}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="does not hold the weights of musicnn"):
        Musicnn.load(tmp_path / WEIGHTS)
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match="does not hold the weights of musicnn"):
        Musicnn.load(tmp_path / WEIGHTS)


def test_the_forward_pass_is_that_of_the_paper(variables: Variables) -> None:
    """Against the definition written out in TensorFlow's layout: [batch, frames, bands, channels]."""
    network = Musicnn().eval()
    network.load_state_dict(from_tensorflow(variables), strict=False)
    mel_BMT = torch.rand(2, MEL.n_mels, FRAMES, generator=torch.Generator().manual_seed(0)) * 4
    with torch.no_grad():
        torch.testing.assert_close(network.embed(mel_BMT), _reference(mel_BMT, variables), rtol=1e-4, atol=1e-4)


def test_frames_of_a_window_lie_wholly_inside_it() -> None:
    """A window cut out of a sound gives the frames that the whole sound has there: nothing depends on the cut."""
    torch.manual_seed(0)
    network = Musicnn().eval()
    wave = torch.randn(1, network.window_samples + 4096)
    start = 2048
    whole = network.mel.energies(wave)
    part = network.mel.energies(wave[:, start : start + network.window_samples])[:, :, 1:-1]
    assert part.shape[2] == FRAMES
    first = start // MEL.hop_length + 1
    torch.testing.assert_close(part, whole[:, :, first : first + FRAMES])


def test_pip_is_asked_for_a_wheel_and_its_failure_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicnn_wheel, "PACKAGE", "no-such-package-of-genre-tui==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match=r"^pip cannot download .*--wheel\.$") as caught:
        musicnn_wheel.get_musicnn()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif("GENRE_TUI_MUSICNN_WHEEL" not in os.environ, reason="needs the real wheel")
def test_the_real_wheel_gives_the_weights_of_the_registry() -> None:
    folder = install(Path(os.environ["GENRE_TUI_MUSICNN_WHEEL"]))
    assert hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() == ENCODERS["musicnn"].sha256


def _reference(mel_BMT: Tensor, variables: Variables) -> Tensor:
    tensors = {name: torch.from_numpy(np.asarray(values, dtype=np.float32)) for name, values in variables.items()}

    def norm(x: Tensor, number: int) -> Tensor:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        scale = tensors[f"{name}/gamma"] / (tensors[f"{name}/moving_variance"] + 1e-3).sqrt()
        return (x - tensors[f"{name}/moving_mean"]) * scale + tensors[f"{name}/beta"]

    def conv(x_BTM: Tensor, number: int) -> Tensor:
        """Every window of frames and bands times every filter, frames padded to keep their number."""
        name = f"conv2d_{number}" if number else "conv2d"
        kernel = tensors[f"{name}/kernel"][:, :, 0]
        frames, bands = kernel.shape[:2]
        padded = F.pad(x_BTM, (0, 0, (frames - 1) // 2, frames // 2))
        patches = padded.unfold(1, frames, 1).unfold(2, bands, 1)
        return F.relu(torch.einsum("btmfk,fkc->btmc", patches, kernel) + tensors[f"{name}/bias"])

    x = norm(mel_BMT.transpose(1, 2)[..., None], 0)[..., 0]
    layers = [torch.cat([norm(conv(x, i), i + 1).amax(2) for i in range(5)], dim=2)]
    for i in range(5, 8):
        layer = norm(conv(layers[-1], i), i + 1)[:, :, 0]
        layers.append(layer if i == 5 else layer + layers[-1])
    dense = torch.cat(layers, dim=2)
    pooled = norm(torch.stack([dense.amax(1), dense.mean(1)], dim=2).flatten(1), 9)
    return norm(F.relu(pooled @ tensors["dense/kernel"] + tensors["dense/bias"]), 10)
