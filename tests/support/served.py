"""A server of its own process to ask, sounds to send it, and runs for it to show."""

import io
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile

from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.journal.events import EpochFinished, RunStarted
from core.runs.journal.journal import Journal

PROBLEM = "application/problem+json"
TOKEN = "a-token-of-some-length"
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


def pcm(y: np.ndarray) -> bytes:
    return (y * 32767).astype("<i2").tobytes()


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


def epoch(number: int) -> EpochFinished:
    return EpochFinished(
        epoch=number, train_loss=1 / number, train_accuracy=0.5, val_loss=1.0, val_accuracy=0.4,
        learning_rate=0.1, train_seconds=1, val_seconds=1, clips_per_second=1, is_best=True,
    )  # fmt: skip


def a_run(runs: Path, name: str) -> tuple[RunFolder, Journal]:
    folder = create(runs, {"model": "small_cnn", "epochs": 9}, "demo", "small_cnn", name=name)
    journal = Journal(folder.journal_path)
    journal.write(
        RunStarted(
            recipe={}, device="cpu", device_name="CPU", dataset="demo", model="small_cnn", epochs=9, pid=1, host="h"
        )
    )
    return folder, journal
