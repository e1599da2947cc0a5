"""Encoders of transformers: embeddings are those of the library's own feature extractor and network.

The tolerance is TOLERANCE, where embeddings of two sounds differ by far more: the library computes spectrograms in
numpy, clip by clip, and this project on the device.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

# Without it transformers cannot import torchaudio beside a CPU build of PyTorch.
from core.features.torchaudio_import import torchaudio  # noqa: F401
from core.models.encoders.checkpoint_folder import settings_of
from core.models.encoders.load import encoder_settings, get_from_hub, load_encoder
from core.models.encoders.registry import encoder_folder
from core.util.errors import UserError

transformers = pytest.importorskip("transformers")
TOLERANCE = 1e-5
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONVOLUTIONS = {"conv_dim": (8, 8), "conv_kernel": (10, 4), "conv_stride": (20, 16), "num_feat_extract_layers": 2}
SPEECH = SMALL | CONVOLUTIONS | {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
Waves = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)


def waves(samples: int) -> Waves:
    """Two sounds: noise, and a tone that fades."""
    random, t = np.random.default_rng(0), np.linspace(0, 1, samples)
    return np.stack([random.normal(0, 0.1, samples), 0.5 * np.sin(3_000 * t) * np.exp(-3 * t)]).astype(np.float32)


def ours(folder: Path) -> tuple[Tensor, Waves]:
    settings = encoder_settings(str(folder))
    sounds = waves(settings.window_samples)
    with torch.inference_mode():
        embedding = load_encoder(settings)(torch.from_numpy(sounds))
    assert embedding.shape == (2, settings.dim)
    return embedding, sounds


def assert_same(embedding: Tensor, theirs: Tensor) -> None:
    difference = (embedding - theirs).abs().max()
    assert difference < TOLERANCE
    assert (theirs[0] - theirs[1]).abs().max() > 100 * TOLERANCE  # the sound matters


def make_ast(folder: Path, **changes: Any) -> tuple[Any, Any]:
    config = transformers.ASTConfig(**SMALL, patch_size=8, max_length=64, num_mel_bins=32, **changes)
    extractor = transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32)
    network = transformers.ASTModel(config).eval()
    network.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return extractor, network


def test_ast(tmp_path: Path) -> None:
    extractor, network = make_ast(tmp_path / "ast")
    embedding, sounds = ours(tmp_path / "ast")
    with torch.inference_mode():
        theirs = network(**extractor(list(sounds), sampling_rate=16_000, return_tensors="pt")).pooler_output
    assert_same(embedding, theirs)


def test_maest_is_an_ast_with_a_mel_spectrogram_of_its_own(tmp_path: Path) -> None:
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    config = transformers.ASTConfig(**SMALL, patch_size=8, max_length=64, num_mel_bins=32)
    network = transformers.ASTModel(config).eval()
    network.save_pretrained(tmp_path)
    sound = {
        "feature_extractor_type": "MAESTFeatureExtractor",
        "max_length": 64,
        "num_mel_bins": 32,
        "mean": 2.0,
        "std": 1.25,
    }
    remote = {"auto_map": {"AutoFeatureExtractor": "evil.Extractor"}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(sound | remote))
    (tmp_path / "evil.py").write_text("raise SystemExit('this code was executed')")
    embedding, sounds = ours(tmp_path)
    assert sounds.shape[1] == 63 * 256
    filters = mel_filter_bank(257, 32, 0, 8000, 16_000, norm="slaney", mel_scale="slaney")
    mels = [
        spectrogram(y, window_function(512, "hann"), 512, 256, mel_filters=filters, power=2.0, pad_mode="constant")
        for y in sounds
    ]
    values = (np.log10(1 + 10_000 * np.stack(mels).transpose(0, 2, 1)) - 2.0) / 2.5
    with torch.inference_mode():
        theirs = network(torch.from_numpy(values).float()).pooler_output
    assert_same(embedding, theirs)


def test_the_audio_tower_of_clap(tmp_path: Path) -> None:
    audio = transformers.ClapAudioConfig(
        patch_embeds_hidden_size=8,
        hidden_size=16,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        spec_size=64,
        projection_dim=12,
        num_mel_bins=32,
        patch_size=4,
        patch_stride=(4, 4),
        window_size=4,
        num_hidden_layers=2,
        aff_block_r=2,
    )
    text = transformers.ClapTextConfig(**SMALL, vocab_size=20, projection_dim=12)
    config = transformers.ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=12)
    network = transformers.ClapModel(config).eval()
    network.save_pretrained(tmp_path)
    extractor = transformers.ClapFeatureExtractor(
        feature_size=32,
        sampling_rate=16_000,
        hop_length=160,
        max_length_s=1,
        fft_window_size=512,
        frequency_max=8000,
        truncation="rand_trunc",
    )
    extractor.save_pretrained(tmp_path)
    embedding, sounds = ours(tmp_path)
    with torch.inference_mode():
        features = extractor(list(sounds), sampling_rate=16_000, return_tensors="pt")["input_features"]
        theirs = network.audio_projection(network.audio_model(features).pooler_output)
    assert_same(embedding, theirs)

    text_of = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(text_of | {"truncation": "fusion"}))
    with pytest.raises(UserError, match="feature fusion"):
        encoder_settings(str(tmp_path))


@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "WavLM"])
def test_speech_networks(tmp_path: Path, kind: str) -> None:
    network = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**SPEECH)).eval()
    network.save_pretrained(tmp_path)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    extractor.save_pretrained(tmp_path)
    embedding, sounds = ours(tmp_path)
    with torch.inference_mode():
        values = extractor(list(sounds), sampling_rate=16_000, return_tensors="pt").input_values
        theirs = network(values).last_hidden_state.mean(1)
    assert_same(embedding, theirs)


def test_a_classifier_on_the_same_network_is_taken_and_missing_weights_are_not(tmp_path: Path) -> None:
    config = transformers.ASTConfig(**SMALL, patch_size=8, max_length=64, num_mel_bins=32)
    transformers.ASTForAudioClassification(config).save_pretrained(tmp_path)
    transformers.ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(tmp_path)
    ours(tmp_path)
    deeper = json.loads((tmp_path / "config.json").read_text()) | {"num_hidden_layers": 3}
    (tmp_path / "config.json").write_text(json.dumps(deeper))
    with pytest.raises(UserError, match="are incomplete"):
        load_encoder(encoder_settings(str(tmp_path)))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    make_ast(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"only as the pickle pytorch_model\.bin, which can execute code"):
        encoder_settings(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", "{", "is damaged"),
        ("config.json", '{"model_type": "bert"}', "of the kind bert, which is not supported"),
        ("preprocessor_config.json", '{"sampling_rate": "high"}', "are invalid"),
        ("preprocessor_config.json", '{"sampling_rate": 16000, "max_length": 1e300}', "are invalid"),
        ("model.safetensors", "no tensors", "cannot be loaded"),
    ],
)
def test_a_damaged_folder_is_one_sentence(tmp_path: Path, file: str, content: str, why: str) -> None:
    make_ast(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=why) as caught:
        load_encoder(encoder_settings(str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_other_weights_in_the_same_folder_are_noticed(tmp_path: Path) -> None:
    make_ast(tmp_path / "ast")
    settings = encoder_settings(str(tmp_path / "ast"))
    make_ast(tmp_path / "ast")
    with pytest.raises(UserError, match="not the expected one"):
        load_encoder(settings)
    shutil.rmtree(tmp_path / "ast")
    with pytest.raises(UserError, match="does not exist: restore it, or name another"):
        load_encoder(settings)


def test_a_repository_of_the_hub_is_found_where_it_was_put(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="download it with genre-tui encoders get some/model"):
        encoder_settings("some/model")

    def download(repository: str, local_dir: Path, allow_patterns: list[str]) -> None:
        assert repository == "some/model" and not any(pattern.endswith(".py") for pattern in allow_patterns)
        make_ast(local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert get_from_hub("some/model") == encoder_folder("some/model")
    settings = encoder_settings("some/model")
    assert settings.name == "some/model" and settings == settings_of(encoder_folder("some/model"), "some/model")
    load_encoder(settings)


def test_a_download_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(UserError, match=r"^MIT/ast-\S+ cannot be downloaded \(no route to host\)"):
        get_from_hub("ast")
    with pytest.raises(UserError, match=r"no encoder called '\.\./x/y'"):
        get_from_hub("../x/y")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    _, network = make_ast(tmp_path)
    next(iter(network.parameters())).data.fill_(float("nan"))
    network.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"are damaged: .* is NaN or infinite"):
        load_encoder(encoder_settings(str(tmp_path)))
