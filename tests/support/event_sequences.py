"""Made-up runs for tests: events as a trainer writes them, in order, without a trainer."""

import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.journal import Journal

GENRES = ["blues", "jazz", "metal"]
BATCHES = 4
START = 1_700_000_000.0


def run_started(epochs: int = 3, resumed_from: int | None = None, pid: int = 4242) -> ev.RunStarted:
    return ev.RunStarted(
        recipe={"data": "/music/genres", "model": "small_cnn", "epochs": epochs},
        device="cpu",
        device_name="a CPU",
        dataset="music",
        model="small_cnn",
        epochs=epochs,
        pid=pid,
        host=socket.gethostname(),
        resumed_from=resumed_from,
    )


def epoch(number: int, *, is_best: bool = True) -> list[ev.Event]:
    first_step = (number - 1) * BATCHES
    return [
        ev.EpochStarted(epoch=number, batches=BATCHES),
        *(
            ev.BatchProgress(
                epoch=number, batch=b, batches=BATCHES, step=first_step + b, loss=1 / (first_step + b), accuracy=0.5
            )
            for b in range(1, BATCHES + 1)
        ),
        ev.BatchProgress(epoch=number, batch=1, batches=1, step=first_step + BATCHES, phase="validate"),
        epoch_finished(number, is_best=is_best),
    ]


def epoch_finished(number: int, *, is_best: bool = True, train_seconds: float = 4.0) -> ev.EpochFinished:
    return ev.EpochFinished(
        epoch=number,
        train_loss=2 / number,
        train_accuracy=1 - 1 / (number + 1),
        val_loss=2.5 / number,
        val_accuracy=1 - 1.2 / (number + 1),
        learning_rate=1e-3,
        train_seconds=train_seconds,
        val_seconds=0.5,
        clips_per_second=100.0,
        is_best=is_best,
        genre_accuracy=[0.5, 1.0, None],
        confusion=[[1, 1, 0], [0, 2, 0], [0, 0, 0]],
    )


def scanned() -> ev.DatasetScanned:
    return ev.DatasetScanned(
        genres=GENRES,
        clips=dict.fromkeys(GENRES, 10),
        parts={"train": 24, "valid": 3, "test": 3},
        hours=0.25,
        excluded=[ev.ExcludedClip(path="jazz/jazz.00054.wav", reason="no audio in it")],
    )


def finished_test() -> ev.TestFinished:
    return ev.TestFinished(
        loss=0.4,
        accuracy=0.75,
        macro_f1=0.7,
        calibration_error=None,
        report={"blues": {"precision": 1.0}},
        report_text="a report",
        confusion=[[1, 0, 0], [0, 1, 0], [0, 1, 0]],
        genres=GENRES,
        best_epoch=3,
        misclassified=[ev.Misclassified(path="metal/1.au", genre="metal", predicted="jazz", probability=0.6)],
    )


def beginning(epochs: int = 3) -> list[ev.Event]:
    return [
        run_started(epochs),
        scanned(),
        ev.FeaturesProgress(done=30, total=30, cached=10, clips_per_second=50.0),
        ev.ModelBuilt(model="small_cnn", parameters=400_000, input_shape=[1, 128, 259]),
    ]


def whole_run(epochs: int = 3) -> list[ev.Event]:
    """A run from its start to its end."""
    events = beginning(epochs)
    for number in range(1, epochs + 1):
        events += epoch(number)
        events.append(ev.CheckpointSaved(what="best", path="best_model.pth", epoch=number, val_accuracy=0.5))
        events.append(ev.DeviceSample(cpu_percent=50.0, rss=1000, ram_used=2000, ram_total=4000))
    events += [finished_test(), ev.ArtefactSaved(path="Plots", what="plots", count=3)]
    events.append(ev.RunFinished(seconds=20.0, best_epoch=epochs, best_val_accuracy=0.7))
    return events


def numbered(events: Iterable[ev.Event], *, first: int = 0, start: float = START, every: float = 1.0) -> list[ev.Event]:
    """Give events what a journal adds: sequence numbers, and increasing times."""
    return [msgspec.structs.replace(event, seq=first + i, time=start + every * i) for i, event in enumerate(events)]


def write_journal(path: Path, events: Iterable[ev.Event]) -> list[ev.Event]:
    """The events as written."""
    journal = Journal(path)
    written = [journal.write(event) for event in events]
    journal.close()
    return written
