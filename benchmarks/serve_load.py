"""The server under load, beside a plain one that answers one request at a time, in the same run.

    python -m benchmarks.serve_load --model MODEL                  throughput, p50, p99 at 1, 8 and 64 clients
    python -m benchmarks.serve_load --model MODEL --hostile        memory while clients mean harm

Every client sends the same 30 s clip (16-bit WAV, 22,050 Hz) again and again over loopback, and waits for each answer.
``ideal`` is how long an answer would take if the cores shared the work without loss: the time of a request that is
alone, as measured just before, × clients / cores. The clients' own work competes for the same cores.
"""

import argparse
import io
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import soundfile

from benchmarks.machine import machine
from core.util.parallel import cores

RATE, SECONDS = 22_050, 30
GIGABYTE = 1e9


class Load(NamedTuple):
    """What came of one load."""

    answered: int
    lost: int
    seconds: float
    latencies: list[float]
    cpu_seconds: float

    @property
    def median(self) -> float:
        return float(np.median(self.latencies))

    def row(self, name: str, clients: int, alone: float) -> str:
        """``alone``: seconds of a request without company."""
        p50, p99 = np.percentile(self.latencies, [50, 99])
        each = self.cpu_seconds / self.answered
        ideal = alone * max(1.0, clients / cores())
        return (
            f"{name:<8} {clients:>7} {self.answered:>8} {self.lost:>5} {self.answered / self.seconds:>9.1f} "
            f"{p50 * 1e3:>9.0f} {p99 * 1e3:>9.0f} {each * 1e3:>9.0f} {ideal * 1e3:>9.0f} {p99 / ideal:>9.1f}"
        )


HEADING = (
    f"{'server':<8} {'clients':>7} {'answered':>8} {'lost':>5} {'clips/s':>9} "
    f"{'p50 ms':>9} {'p99 ms':>9} {'cpu ms':>9} {'ideal ms':>9} {'p99/ideal':>9}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=256, help="of each load (%(default)s)")
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        serve_plainly(args.model)
        return
    print(machine())
    if args.hostile:
        with ours(args.model) as (process, port):
            harm(process, port)
        return
    print(HEADING)
    for clients in args.clients:
        for name, server in (("plain", plain), ("ours", ours)):
            with server(args.model) as (process, port):
                put_load(port, 4, 8)  # threads, decoders, caches
                alone = put_load(port, 1, 16).median
                load = put_load(port, clients, max(args.requests, 2 * clients), process)
                print(load.row(name, clients, alone), flush=True)


def clip() -> bytes:
    t = np.arange(RATE * SECONDS) / RATE
    y = 0.4 * np.sin(2 * np.pi * (220 + 40 * np.floor(t * 2)) * t) + 0.05 * np.random.default_rng(0).normal(size=len(t))
    file = io.BytesIO()
    soundfile.write(file, y, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


@contextmanager
def started(command: list[str], pattern: str) -> Iterator[tuple[psutil.Process, int]]:
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(pattern, line):
                yield psutil.Process(process.pid), int(found[1])
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait()


def ours(model: Path) -> Any:
    command = ["-m", "tui.cli", "serve", "--port", "0", "--model", str(model), "--device", "cpu"]
    return started(command, r"http://127\.0\.0\.1:(\d+)/")


def plain(model: Path) -> Any:
    return started(["-m", "benchmarks.serve_load", "--plain", "--model", str(model)], r"port (\d+)")


def serve_plainly(model: Path) -> None:
    """What one writes on a free afternoon: the standard library's server, one request after the other."""
    from core.inference.classifier import Classifier

    classifier = Classifier.load(model, "cpu")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with tempfile.NamedTemporaryFile(suffix=".wav") as file:
                file.write(self.rfile.read(int(self.headers["Content-Length"])))
                file.flush()
                answer = repr(classifier.classify_file(file.name)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket.listen(256)
    print(f"port {server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


def put_load(port: int, clients: int, requests: int, process: psutil.Process | None = None) -> Load:
    """So many requests in all, each client one at a time."""
    body, left, lock = clip(), iter(range(requests)), threading.Lock()
    latencies: list[float] = []
    lost: list[str] = []

    def work() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            began = time.perf_counter()
            try:
                status = post(port, body)
            except (OSError, HTTPException) as error:
                lost.append(str(error))
                continue
            if status == 200:
                latencies.append(time.perf_counter() - began)
            else:
                lost.append(str(status))

    busy, began = cpu_seconds(process), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(len(latencies), len(lost), time.perf_counter() - began, latencies, cpu_seconds(process) - busy)


def post(port: int, body: bytes) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", "/v1/classify", body, {"Content-Type": "audio/wav"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def cpu_seconds(process: psutil.Process | None) -> float:
    """Of the server and its decoders."""
    if process is None:
        return 0.0
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return float(sum(time.user + time.system for time in times))


def harm(process: psutil.Process, port: int) -> None:
    """Each attack in turn: the highest memory of the server with its decoders, and how the next request fared."""
    body = clip()
    post(port, body)
    attacks: dict[str, Callable[[], object]] = {
        "nothing": lambda: time.sleep(1),
        "a body of 2 GB": lambda: send_endlessly(port, 2 * 1024),
        "500 slow bodies": lambda: hold(port, 500, b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                                   b"Content-Length: 9000000\r\n\r\nx"),
        "500 endless headers": lambda: hold(port, 500, b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"),
        "3,000 sockets": lambda: hold(port, 3000, b""),
        "8 × 24 h of silence": lambda: all_at_once([lambda: post(port, silence())] * 8),
    }  # fmt: skip
    print(f"{'attack':<22} {'memory GB':>9} {'next answer':>12}")
    for name, attack in attacks.items():
        peak, ended = [0], threading.Event()
        watching = threading.Thread(target=watch, args=(process, peak, ended))
        watching.start()
        attack()
        began = time.perf_counter()
        status = post(port, body)
        taken = time.perf_counter() - began
        ended.set()
        watching.join()
        print(f"{name:<22} {peak[0] / GIGABYTE:>9.2f} {status:>5} {taken:>4.1f} s", flush=True)


def watch(process: psutil.Process, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        with suppress(psutil.Error):
            memory = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
            peak[0] = max(peak[0], memory)


def send_endlessly(port: int, mebibytes: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, suppress(OSError):
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(mebibytes):
            connection.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")


def hold(port: int, count: int, data: bytes) -> None:
    """Open connections and send a few bytes on each; they are held while the next request is made."""
    held = ExitStack()
    for _ in range(count):
        with suppress(OSError):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            connection.sendall(data)
    threading.Timer(5, held.close).start()


def all_at_once(works: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def silence() -> bytes:
    """A day of silence, in a couple of megabytes of FLAC, whose header does not say how long it is."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 1, format="FLAC") as sound:
        for _ in range(24 * 60):
            sound.write(np.zeros(8000 * 60, dtype=np.int16))
    data = bytearray(file.getvalue())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


if __name__ == "__main__":
    main()
