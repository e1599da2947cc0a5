"""A run's events at the pace of a trainer, for measuring viewers."""

import threading
import time
from pathlib import Path

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.journal import Journal
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run

BATCH_EVENTS = 10.0
"""A trainer reports at most ten batches a second."""


class Pace(threading.Thread):
    """Holds the run's lock and writes epochs until it is stopped, or ``epochs`` of them and then the end."""

    def __init__(self, run: Path, seconds: float, epochs: int = 1_000_000) -> None:
        """``seconds``: of an epoch; 0 writes as fast as the disk takes it."""
        super().__init__(daemon=True)
        run.mkdir(parents=True, exist_ok=True)
        self.run_path = run
        self.seconds = seconds
        self.epochs = epochs
        self.stopping = threading.Event()
        self.done = 0

    def __enter__(self) -> "Pace":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.join()

    def run(self) -> None:
        with RunLock(self.run_path / "run.lock"):
            journal = Journal(self.run_path / "events.jsonl")
            for event in made_up_run.beginning(self.epochs):
                journal.write(event)
            best = 0.0
            while self.done < self.epochs and not self.stopping.is_set():
                best = max(best, self._epoch(journal, self.done + 1, best))
                self.done += 1
            if self.done == self.epochs:
                journal.write(ev.RunFinished(seconds=1.0, best_epoch=1, best_val_accuracy=best))
            journal.close()

    def _epoch(self, journal: Journal, number: int, best: float) -> float:
        journal.write(ev.EpochStarted(epoch=number, batches=made_up_run.BATCHES))
        reports = max(1, min(made_up_run.BATCHES, int(self.seconds * BATCH_EVENTS)))
        for report in range(1, reports + 1):
            self.stopping.wait(self.seconds / reports)
            journal.write(made_up_run.batch(number, report * made_up_run.BATCHES // reports))
            if report % BATCH_EVENTS == 0:
                journal.write(made_up_run.sample(int(time.time())))
        finished = msgspec.structs.replace(made_up_run.epoch_finished(number, best), train_seconds=self.seconds)
        journal.write(finished)
        return made_up_run.val_accuracy(finished)
