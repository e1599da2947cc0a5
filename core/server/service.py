"""The state shared by the routes: model, decoders, limits on concurrency and rate, metrics, and runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from core.audio.files.open_file import AudioError
from core.inference.classifier import Classifier
from core.inference.types import Result, Unreadable
from core.runs.summary import RunList
from core.server.batching import BatchedBackend
from core.server.decode_pool import DecodePool
from core.server.limits import Limits
from core.server.schemas import Problem
from core.server.uploads import Spool, Upload
from core.util.errors import UserError
from core.util.parallel import cores

disable_created_metrics()  # type: ignore[no-untyped-call]

P = ParamSpec("P")
T = TypeVar("T")


SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Metrics, with one registry per server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "genre_tui_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "genre_tui_request_seconds", "From the request's headers to the end of the response.", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.files = Counter("genre_tui_files", "Files by outcome.", ["outcome"], registry=self.registry)
        self.windows = Counter("genre_tui_windows", "Windows that went through the network.", registry=self.registry)
        self.batch_windows = Histogram(
            "genre_tui_batch_windows", "Windows in a batch.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self.batch_callers = Histogram(
            "genre_tui_batch_callers", "Uploads and live sockets whose windows shared a batch.",
            buckets=(1, 2, 3, 4, 8, 16), registry=self.registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "genre_tui_batch_seconds", "Time in the front end and the network.", buckets=SECONDS, registry=self.registry
        )
        self.sockets = Gauge("genre_tui_live_sockets", "Live sockets open now.", registry=self.registry)
        self.spooled = Gauge("genre_tui_spooled_bytes", "Uploads on disk now.", registry=self.registry)
        self.crashes = Counter("genre_tui_decoder_crashes", "Decoder processes that died.", registry=self.registry)

    def batch(self, windows: int, callers: int, seconds: float) -> None:
        self.windows.inc(windows)
        self.batch_windows.observe(windows)
        self.batch_callers.observe(callers)
        self.batch_seconds.observe(seconds)

    def render(self) -> bytes:
        return generate_latest(self.registry)


class ConcurrencyLimiter:
    """Limits concurrency: ``async with limiter.one():``. First come, first served."""

    def __init__(self, count: int, wait_seconds: float, what: str) -> None:
        """Args:
        what: what is limited, for messages.
        """
        self.count, self._wait, self._what = count, wait_seconds, what
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a free place and hold it during the block.

        Raises:
            Problem: 503, the limit was reached and nothing finished in time.
        """
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError:
            raise Problem(
                503, "busy", f"{self.count} {self._what} are under way; try again soon", {"Retry-After": "1"}
            ) from None
        try:
            yield
        finally:
            self._free.release()


class TokenBucket:
    """A token bucket: at most ``per_second`` on average, with bursts of ``burst``."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()

    def spend(self, amount: float = 1.0) -> bool:
        """Take ``amount`` if it is available; returns whether it was."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Service:
    """One per server. Call `close` after the last request."""

    def __init__(self, classifier: Classifier, runs_dir: Path, limits: Limits, spool: Path | None = None) -> None:
        """Args:
        spool: folder for uploads; the system's temporary folder by default.
        """
        self.limits = limits
        self.metrics = Metrics()
        self.network = BatchedBackend(classifier.network, self.metrics.batch)
        self.classifier = Classifier(self.network, classifier.model)
        self.started = time.time()
        self.stopping = asyncio.Event()
        """Set on shutdown; ends the streams that have no end."""
        self.runs = RunList(runs_dir)
        self.runs_dir, self.runs_lock = runs_dir, asyncio.Lock()
        self.spool = Spool(limits.spool_bytes, spool)
        self.metrics.spooled.set_function(lambda: self.spool.held)
        self.requests = ConcurrencyLimiter(limits.requests, limits.wait_seconds, "requests")
        self.sockets = ConcurrencyLimiter(limits.sockets, 0.0, "live sockets")
        self.socket_rate = TokenBucket(limits.sockets_per_second, 4 * limits.sockets_per_second)
        self.followers = ConcurrencyLimiter(limits.followers, 0.0, "event streams")
        self._decoders = DecodePool(max(2, min(8, cores())), limits, self.metrics.crashes.inc)
        self._threads = ThreadPoolExecutor(limits.threads, "classify")
        self._live_threads = ThreadPoolExecutor(limits.sockets, "live")

    async def classify(self, upload: Upload) -> Result:
        """The prediction for an upload, or why there is none.

        Raises:
            Problem: the sound is too long.
        """
        loop = asyncio.get_running_loop()
        outcome = "failed"
        try:
            prediction = await loop.run_in_executor(self._threads, self._classify, upload)
            outcome = "classified"
            return prediction
        except UserError as error:
            outcome = "unreadable"
            return Unreadable(path=upload.name, error=error.reason if isinstance(error, AudioError) else str(error))
        except Problem as problem:
            outcome = problem.kind
            raise
        finally:
            self.metrics.files.labels(outcome).inc()

    async def in_live_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a live socket's work outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._live_threads, partial(work, *args, **kwargs))

    def close(self) -> None:
        self._decoders.close()
        self._threads.shutdown(cancel_futures=True)
        self._live_threads.shutdown(cancel_futures=True)
        self.network.close()
        self.spool.close()

    def _classify(self, upload: Upload) -> Result:
        with self._decoders.decoding(upload.file.path, upload.name) as sound:
            return self.classifier.classify_sound(sound, upload.name)
