"""What the server does, whichever way it is asked: one model, its decoders, its places, the runs it shows."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from core.audio.errors import AudioError
from core.inference.classifier import Classifier
from core.inference.types import Result, Unreadable
from core.runs.summary import RunList
from core.server.concurrency import ConcurrencyLimiter, TokenBucket
from core.server.inference.batched_backend import BatchedBackend
from core.server.limits import Limits
from core.server.metrics import Metrics
from core.server.problems import Problem
from core.server.uploads.decode_pool import DecodePool
from core.server.uploads.multipart import Upload
from core.server.uploads.spool import Spool
from core.util.errors import UserError
from core.util.parallel import cores

P = ParamSpec("P")
T = TypeVar("T")


class Service:
    """Made once a server. `close` after the last request."""

    def __init__(self, classifier: Classifier, runs_dir: Path, limits: Limits, spool: Path | None = None) -> None:
        """Args:
        spool: where uploads are put; the system's temporary folder by default.
        """
        self.limits = limits
        self.metrics = Metrics()
        self.network = BatchedBackend(classifier.network, self.metrics.batch)
        self.classifier = Classifier(self.network, classifier.model)
        self.started = time.time()
        self.stopping = asyncio.Event()
        """Set when the server has been told to end: streams without an end of their own end then."""
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
        """The verdict on an upload, or why there is none.

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
        """Runs what a live socket needs done, off the event loop."""
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
