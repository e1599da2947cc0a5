import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.served import Serve, Served
from tests.support.small_model import shared_model


@pytest.fixture(scope="session")
def model() -> Path:
    return shared_model()


@pytest.fixture(scope="session")
def serve(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """``with serve(limit=..., token=..., runs=...) as server:``"""

    @contextmanager
    def start(
        token: str | None = None, runs: Path | None = None, model: Path = model, public_url: str = "", **limits: Any
    ) -> Iterator[Served]:
        asked = {"model": str(model), "runs": str(runs or tmp_path_factory.mktemp("runs")), "limits": limits}
        asked["public_url"] = public_url
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.server_process", json.dumps(asked | {"token": token})],
            cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            assert port, "the server did not start"
            yield Served(process, int(port), {"Authorization": f"Bearer {token}"} if token else {})
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    return start


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served-runs")


@pytest.fixture(scope="session")
def server(serve: Serve, runs_dir: Path) -> Iterator[Served]:
    """A server with the default limits, for tests that leave it as it was."""
    with serve(runs=runs_dir) as served:
        yield served


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
