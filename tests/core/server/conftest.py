import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import soundfile

from tests.support.paths import ROOT
from tests.support.small_model import shared_model

RATE = 22_050


def chord(seconds: float, pitch: float = 220.0, rate: int = RATE) -> np.ndarray:
    """Something with a level and harmonics that change: (samples,) float32."""
    t = np.arange(round(seconds * rate)) / rate
    steps = pitch * 2.0 ** (np.floor(t * 2) % 5 / 12)
    phase = 2 * np.pi * np.cumsum(steps) / rate
    y = sum(np.sin(k * phase) / k for k in (1, 2, 3, 5)) * (0.3 + 0.2 * np.sin(2 * np.pi * t / 3))
    return y.astype(np.float32) * 0.5


def encoded(y: np.ndarray, rate: int = RATE, format_: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, y, rate, format=format_)
    return file.getvalue()


@pytest.fixture(scope="session")
def model() -> Path:
    return shared_model()


class Served:
    """A running server, its process, and a client for it."""

    def __init__(self, process: subprocess.Popen[str], port: int, headers: dict[str, str]) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def classify(self, body: bytes, **params: Any) -> httpx.Response:
        return self.client.post("/v1/classify", content=body, params=params)

    def memory(self) -> int:
        """Bytes in use by the server and its decoders."""
        server = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [server, *server.children(recursive=True)])

    def decoders(self) -> list[psutil.Process]:
        children: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return children

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


Serve = Callable[..., AbstractContextManager[Served]]


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
