"""The tiny collection, a feature store that belongs to the tests, and a trainer that reports every batch."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.tones import make_collection


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_collection(tmp_path_factory.mktemp("collection") / "genres")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither reads nor fills the user's feature store; one thread, so that several test runs can share a machine."""
    before = {name: os.environ.get(name) for name in ("GENRE_TUI_CACHE", "OMP_NUM_THREADS")}
    os.environ |= {"GENRE_TUI_CACHE": str(tmp_path_factory.mktemp("cache")), "OMP_NUM_THREADS": "1"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture
def slow_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the control file after every batch, and tells of every batch."""
    monkeypatch.setattr("core.training.run.control.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("core.training.run.callbacks.SHORTEST", 0.0)
    monkeypatch.setattr("core.training.run.callbacks.SHARE", 0.0)
