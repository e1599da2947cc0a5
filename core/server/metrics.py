"""What the server counts, in the text format that Prometheus reads."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One registry a server, so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "genre_tui_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "genre_tui_request_seconds", "From a request's headers to the end of its answer.", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.files = Counter("genre_tui_files", "Files by what came of them.", ["outcome"], registry=self.registry)
        self.windows = Counter("genre_tui_windows", "Windows that the network has measured.", registry=self.registry)
        self.batch_windows = Histogram(
            "genre_tui_batch_windows", "Windows in a batch.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self.batch_callers = Histogram(
            "genre_tui_batch_callers", "Uploads and live sockets whose windows shared a batch.",
            buckets=(1, 2, 3, 4, 8, 16), registry=self.registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "genre_tui_batch_seconds", "Time in front end and network.", buckets=SECONDS, registry=self.registry
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
