"""``python -m tests.support.fake_trainer RUN [SECONDS]``: a process that holds a run's lock, writes its journal at a
pace, and answers requests, as the trainer does, but learns nothing. ``deaf`` in the environment's ``ACTING`` makes it
ignore the control file, ``stubborn`` SIGTERM too.
"""

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from core.runs.control import ControlReader
from core.runs.journal import events as ev
from core.runs.journal.journal import Journal
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run


class Trainer:
    def __init__(self, folder: Path, seconds: float) -> None:
        self.journal = Journal(folder / "events.jsonl")
        self.control = ControlReader(folder)
        self.seconds = seconds
        self.epochs = 20
        self.stopping = False
        self.deaf = "deaf" in os.environ.get("ACTING", "")

    def run(self) -> None:
        started = made_up_run.run_started(self.epochs)
        self.journal.write(msgspec.structs.replace(started, pid=os.getpid(), host=os.uname().nodename))
        for event in made_up_run.beginning(self.epochs)[1:]:
            self.journal.write(event)
        number, best = 1, 0.0
        while number <= self.epochs and not self.stopping:
            best = self.epoch(number, best)
            number += 1
        self.journal.write(made_up_run.tested(number - 1))
        if self.stopping:
            self.journal.write(ev.RunStopped(seconds=1.0, message="on request"))
        else:
            self.journal.write(ev.RunFinished(seconds=1.0, best_epoch=1, best_val_accuracy=best))

    def epoch(self, number: int, best: float) -> float:
        self.journal.write(ev.EpochStarted(epoch=number, batches=made_up_run.BATCHES))
        for index in range(1, made_up_run.BATCHES + 1):
            self.journal.write(made_up_run.batch(number, index))
            self.wait(self.seconds / made_up_run.BATCHES)
            if self.stopping:
                return best
        self.journal.write(made_up_run.sample(number))
        finished = made_up_run.epoch_finished(number, best)
        self.journal.write(finished)
        return max(best, made_up_run.val_accuracy(finished))

    def wait(self, seconds: float) -> None:
        paused, until = False, time.monotonic() + seconds
        while (paused or time.monotonic() < until) and not self.stopping:
            time.sleep(min(0.02, seconds))
            asked = None if self.deaf else self.control.poll()
            if asked is None:
                continue
            paused = asked.request == "pause" or (paused and asked.request == "extend")
            self.stopping = asked.request == "stop"
            self.epochs = asked.epochs or self.epochs
            message = {"pause": "paused", "resume": "goes on", "stop": "stopping"}.get(asked.request, "extended")
            self.journal.write(
                ev.RequestAnswered(
                    request=asked.request, id=asked.id, accepted=True, message=message, epochs=asked.epochs
                )
            )

    def stop(self) -> None:
        self.stopping = True


def main() -> None:
    folder = Path(sys.argv[1])
    trainer = Trainer(folder, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
    ignored = "stubborn" in os.environ.get("ACTING", "")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignored else lambda *_: trainer.stop())
    with RunLock(folder / "run.lock"):
        trainer.run()


if __name__ == "__main__":
    main()
