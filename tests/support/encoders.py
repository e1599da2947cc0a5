"""musicnn with random weights, installed in the cache folder of a test and named by the registry."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from core.features.settings import EncoderSettings
from core.models.encoders import load
from core.models.encoders.load import encoder_settings
from core.models.encoders.musicnn import Musicnn
from core.models.encoders.registry import ENCODERS, WEIGHTS, encoder_folder


def install_random_musicnn(monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> EncoderSettings:
    """The settings that name it. The cache folder must be the test's own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = {name: value for name, value in Musicnn().state_dict().items() if not name.startswith("mel.")}
    path = encoder_folder("musicnn") / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(load, "ENCODERS", {"musicnn": ENCODERS["musicnn"]._replace(sha256=digest)})
    return encoder_settings("musicnn")
