from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from core.export.onnx_file import export_onnx
from tests.support.small_model import shared_folder, shared_model


@pytest.fixture(scope="session")
def model() -> Path:
    return shared_model()


@pytest.fixture(scope="session")
def onnx() -> Callable[[str], Path]:
    """A network's name → its model as ONNX, exported once a test run."""

    @cache
    def exported(network: str) -> Path:
        out = shared_folder() / f"{network}.onnx"
        export_onnx(shared_model(network), network, out)
        return out

    return exported
