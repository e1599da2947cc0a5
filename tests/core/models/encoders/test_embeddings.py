"""Embeddings of a dataset: which windows they are of, that they are computed once, and how training reads them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from msgspec.structs import replace

from core.dataset.clip import DatasetError
from core.dataset.pack import open_pack, pack
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import EncoderSettings, FrontEndSettings
from core.models.encoders.embeddings import cut_windows, windows_in, with_embeddings
from core.models.encoders.encoder import columns_of, join, split
from core.models.encoders.load import encoder_settings, load_encoder
from core.models.encoders.registry import WEIGHTS, encoder_folder
from core.training.loop.loader import BatchLoader, spaced_windows
from core.util.errors import UserError
from core.util.paths import cache_folder
from tests.support.encoders import install_random_musicnn

RATE = 16_000
FRONT_END = FrontEndSettings(sample_rate=RATE, n_fft=1024, hop_length=1240, n_mels=32, seconds=9.1)


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderSettings:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    return install_random_musicnn(monkeypatch)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two genres of noise: a clip of three windows and one that is shorter than a window, in 16 bits."""
    random = np.random.default_rng(0)
    for genre in ("one", "two"):
        (tmp_path / "sounds" / genre).mkdir(parents=True)
        for name, seconds in (("long", 9.1), ("short", 1.2)):
            y = random.uniform(-0.5, 0.5, round(seconds * RATE))
            soundfile.write(tmp_path / "sounds" / genre / f"{name}.wav", y, RATE, subtype="PCM_16")
    return tmp_path / "sounds"


def features_of(folder: Path) -> FeatureSet:
    return compute_features(scan(folder).clips, FRONT_END)[0]


def test_windows_cover_a_sound_evenly_to_its_last_sample() -> None:
    wave = torch.arange(1000.0)
    windows = cut_windows(wave, 300)
    assert windows[:, 0].tolist() == [0, 350, 700] and windows[-1, -1] == 999
    assert len(cut_windows(wave[:430], 300)) == 1
    assert cut_windows(wave[:120], 300)[0].tolist() == [*range(120), *range(120), *range(60)]
    assert windows_in(1000, 300) == 3


@pytest.mark.parametrize("dim", [3, 32, 40])
def test_what_is_joined_can_be_split(dim: int) -> None:
    mel, embedding = torch.randn(2, 16, 20), torch.randn(2, dim)
    joined = join(mel, embedding)
    assert joined.shape == (2, 16, 20 + columns_of(dim, 16))
    for part, expected in zip(split(joined, dim), (mel, embedding), strict=True):
        torch.testing.assert_close(part, expected)


def test_embeddings_are_those_of_the_windows_and_computed_once(sounds: Path, encoder: EncoderSettings) -> None:
    calls: list[tuple[int, int, int]] = []
    features = with_embeddings(
        features_of(sounds), sounds, encoder, "first", on_progress=lambda *counts: calls.append(counts)
    )
    assert calls[0] == (0, 4, 0) and calls[-1] == (4, 4, 0)
    assert features.embeddings is not None and features.windows is not None
    assert features.windows.tolist() == [3, 1, 3, 1]
    network = load_encoder(encoder)
    for row, clip in enumerate(features.clips):
        y = torch.from_numpy(soundfile.read(clip.path, dtype="float32")[0])
        expected = network(cut_windows(y, network.window_samples))
        count = len(expected)
        torch.testing.assert_close(features.embeddings[row, :count], expected, rtol=1e-4, atol=1e-4)

    shutil.rmtree(encoder_folder("musicnn"))  # no longer needed
    again = with_embeddings(features_of(sounds), sounds, encoder, "first")
    assert again.embeddings is not None
    torch.testing.assert_close(again.embeddings, features.embeddings, rtol=0, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_embeddings(sounds: Path, encoder: EncoderSettings) -> None:
    features = features_of(sounds)
    here = with_embeddings(features, sounds, encoder, "first").embeddings
    shutil.rmtree(cache_folder() / "features")
    there = with_embeddings(features, sounds, encoder, "first", device="cuda").embeddings
    assert here is not None and there is not None
    torch.testing.assert_close(there.cpu(), here, rtol=1e-2, atol=1e-2)


def test_another_encoder_has_embeddings_of_its_own(
    sounds: Path, encoder: EncoderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = with_embeddings(features_of(sounds), sounds, encoder, "first").embeddings
    other = with_embeddings(
        features_of(sounds), sounds, install_random_musicnn(monkeypatch, seed=1), "first"
    ).embeddings
    assert one is not None and other is not None and not torch.allclose(one, other)
    with pytest.raises(UserError, match="not the expected one"):
        load_encoder(encoder)


def test_training_reads_the_embedding_of_each_window(sounds: Path, encoder: EncoderSettings) -> None:
    features = with_embeddings(features_of(sounds), sounds, encoder, "first")
    assert features.embeddings is not None
    width = round(encoder.window_samples / FRONT_END.hop_length)
    loader = BatchLoader(features, width, torch.device("cpu"))
    clips = torch.tensor([0, 1])
    batch = loader.read(spaced_windows(clips, loader.excerpts, loader.frames, width, 3))
    mel, embeddings = split(batch.mel_BMT, encoder.dim)
    assert mel.shape == (6, 32, width)
    torch.testing.assert_close(embeddings[:3], features.embeddings[0])
    torch.testing.assert_close(embeddings[3:], features.embeddings[1, :1].expand(3, -1))


def test_a_pack_has_no_sound_for_an_encoder(tmp_path: Path, sounds: Path, encoder: EncoderSettings) -> None:
    pack(sounds, tmp_path / "packed", FRONT_END)
    with pytest.raises(DatasetError, match="a feature pack holds none"):
        with_embeddings(open_pack(tmp_path / "packed"), tmp_path / "packed", encoder, "first")


def test_an_encoder_that_is_not_here_is_named_with_the_command_that_gets_it(encoder: EncoderSettings) -> None:
    shutil.rmtree(encoder_folder("musicnn"))
    for act in (lambda: encoder_settings("musicnn"), lambda: load_encoder(encoder)):
        with pytest.raises(
            UserError, match=r"musicnn is not installed: download it with genre-tui encoders get musicnn"
        ):
            act()
    with pytest.raises(UserError, match="no encoder called 'music'"):
        encoder_settings("music")


@pytest.mark.parametrize("changes", [{"dim": 100}, {"window_samples": 16}, {"sample_rate": 22_050}])
def test_settings_that_are_not_the_encoders_are_refused(encoder: EncoderSettings, changes: dict[str, int]) -> None:
    """As a model file that was altered may hold them."""
    with pytest.raises(UserError, match="not the expected one"):
        load_encoder(replace(encoder, **changes))


def test_damaged_weights_are_noticed(encoder: EncoderSettings) -> None:
    path = encoder_folder("musicnn") / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for act in (lambda: encoder_settings("musicnn"), lambda: load_encoder(encoder)):
        with pytest.raises(UserError, match="is damaged: download it again with genre-tui encoders get musicnn"):
            act()
