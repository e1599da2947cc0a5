"""A made-up run of ten genres that learns as real ones do, event by event, with fixed times."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.runs.control import Request
from core.runs.journal import events as ev
from core.runs.journal.journal import Journal

GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
START = 1_700_000_000.0
BATCHES = 50
VAL_CLIPS = 10
"""Validation clips a genre."""


def run_started(epochs: int, *, resumed_from: int | None = None, dataset: str = "gtzan-mini") -> ev.RunStarted:
    return ev.RunStarted(
        recipe={"data": f"/music/{dataset}/genres", "preset": "seed", "epochs": epochs, "batch_size": 16, "seed": 0},
        device="cuda:0",
        device_name="NVIDIA H100",
        dataset=dataset,
        model="seed_cnn",
        epochs=epochs,
        pid=4242,
        host="gpu-box",
        resumed_from=resumed_from,
    )


def scanned() -> ev.DatasetScanned:
    return ev.DatasetScanned(
        genres=GENRES,
        clips={genre: 100 - (genre == "jazz") for genre in GENRES},
        parts={"train": 799, "valid": 100, "test": 100},
        hours=8.3,
        excluded=[
            ev.ExcludedClip(path="jazz/jazz.00054.wav", reason="cannot be decoded: garbage header"),
            ev.ExcludedClip(path="pop/pop.00099.wav", reason="silent"),
        ],
    )


def beginning(epochs: int) -> list[ev.Event]:
    return [
        run_started(epochs),
        scanned(),
        ev.FeaturesProgress(done=999, total=999, cached=640, clips_per_second=210.0),
        ev.ModelBuilt(model="seed_cnn", parameters=169_035_530, input_shape=[1, 128, 1292]),
    ]


def confusion(skill: float, seed: int) -> list[list[int]]:
    """Rows of `VAL_CLIPS`; the better the skill, the more of them on the diagonal."""
    chance = random.Random(seed)
    rows = []
    for truth in range(len(GENRES)):
        row = [0] * len(GENRES)
        for _ in range(VAL_CLIPS):
            knows = chance.random() < skill * (0.75 + 0.05 * (truth % 6))
            row[truth if knows else (truth + chance.choice((1, 1, 1, 2, 5, 7))) % len(GENRES)] += 1
        rows.append(row)
    return rows


def epoch_finished(number: int, best: float) -> ev.EpochFinished:
    chance = random.Random(number)
    skill = 1 - math.exp(-number / 6)
    grid = confusion(skill, number)
    right = sum(grid[i][i] for i in range(len(GENRES)))
    accuracy = right / (VAL_CLIPS * len(GENRES))
    return ev.EpochFinished(
        epoch=number,
        train_loss=2.2 * math.exp(-number / 5) + 0.03 + 0.04 * chance.random(),
        train_accuracy=min(0.999, 0.25 + 0.74 * skill),
        val_loss=0.95 + 1.3 * math.exp(-number / 4) + 0.15 * chance.random(),
        val_accuracy=accuracy,
        learning_rate=1e-3,
        train_seconds=0.41,
        val_seconds=0.05,
        clips_per_second=1840.0,
        is_best=accuracy > best,
        gradient_norm=3.0 * math.exp(-number / 8) + 0.25,
        genre_accuracy=[grid[i][i] / VAL_CLIPS for i in range(len(GENRES))],
        confusion=grid,
    )


def batch(number: int, index: int) -> ev.BatchProgress:
    step = (number - 1) * BATCHES + index
    chance = random.Random(step)
    return ev.BatchProgress(
        epoch=number,
        batch=index,
        batches=BATCHES,
        step=step,
        loss=2.2 * math.exp(-step / (5 * BATCHES)) + 0.03 + 0.3 * chance.random(),
        accuracy=min(1.0, 1 - math.exp(-step / (6 * BATCHES)) + 0.1 * chance.random()),
        learning_rate=1e-3,
        gradient_norm=3.0 * math.exp(-step / (8 * BATCHES)) + 0.5 * chance.random(),
        clips_per_second=1840.0,
    )


def sample(number: int) -> ev.DeviceSample:
    return ev.DeviceSample(
        cpu_percent=104.0,
        rss=2_100_000_000,
        ram_used=31_000_000_000,
        ram_total=128_000_000_000,
        gpu_name="NVIDIA H100",
        gpu_percent=80.0 + number % 10,
        gpu_memory_used=1_900_000_000,
        gpu_memory_total=80_000_000_000,
        gpu_power=212.0,
        gpu_temperature=54.0,
    )


def tested(best_epoch: int) -> ev.TestFinished:
    grid = confusion(0.85, 1)
    report: dict[str, float | dict[str, float]] = {}
    for i, genre in enumerate(GENRES):
        recall = grid[i][i] / VAL_CLIPS
        precision = grid[i][i] / max(1, sum(row[i] for row in grid))
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        report[genre] = {"precision": precision, "recall": recall, "f1-score": f1, "support": float(VAL_CLIPS)}
    accuracy = sum(grid[i][i] for i in range(len(GENRES))) / (VAL_CLIPS * len(GENRES))
    for name in ("macro avg", "weighted avg"):
        report[name] = {"precision": 0.75, "recall": accuracy, "f1-score": 0.74, "support": 100.0}
    wrong = [
        ev.Misclassified(
            path=f"{GENRES[i]}/{GENRES[i]}.000{10 * i + j}.au",
            genre=GENRES[i],
            predicted=GENRES[j],
            probability=0.4 + 0.05 * ((i + j) % 11),
        )
        for i, row in enumerate(grid)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return ev.TestFinished(
        loss=0.9312,
        accuracy=accuracy,
        macro_f1=0.74,
        calibration_error=0.062,
        report=report,
        report_text="",
        confusion=grid,
        genres=GENRES,
        best_epoch=best_epoch,
        misclassified=wrong,
    )


def val_accuracy(epoch: ev.EpochFinished) -> float:
    assert epoch.val_accuracy is not None
    return epoch.val_accuracy


def epochs(first: int, last: int) -> Iterator[ev.Event]:
    best = 0.0
    for number in range(first, last + 1):
        yield ev.EpochStarted(epoch=number, batches=BATCHES)
        for index in (1, 17, 31, BATCHES):
            yield batch(number, index)
        yield sample(number)
        finished = epoch_finished(number, best)
        yield finished
        if finished.is_best:
            best = val_accuracy(finished)
            yield ev.CheckpointSaved(what="best", path="best_model.pth", epoch=number, val_accuracy=best)


def midway(done: int = 7, of: int = 20) -> list[ev.Event]:
    """A run at work: ``done`` epochs are over and the next one is at batch 31."""
    begun = [
        ev.EpochStarted(epoch=done + 1, batches=BATCHES),
        batch(done + 1, 1),
        batch(done + 1, 17),
        batch(done + 1, 31),
    ]
    return [*beginning(of), *epochs(1, done), *begun]


def whole(of: int = 20) -> list[ev.Event]:
    """A run from its start to its report."""
    best = max((e for e in epochs(1, of) if isinstance(e, ev.EpochFinished)), key=val_accuracy)
    return [
        *beginning(of),
        *epochs(1, of),
        tested(best.epoch),
        ev.ArtefactSaved(path="Plots", what="plots", count=3),
        ev.ArtefactSaved(path="Spectrograms", what="spectrograms", count=999),
        ev.RunFinished(seconds=12.4, best_epoch=best.epoch, best_val_accuracy=val_accuracy(best)),
    ]


def variant(number: int, epochs: int = 10) -> list[ev.Event]:
    """The made-up run with another batch size, learning rate and success."""
    events = whole(epochs)
    start = run_started(epochs)
    recipe = {**start.recipe, "batch_size": 8 * (number + 1), "optimiser": {"learning_rate": 1e-3 / (number + 1)}}
    events[0] = msgspec.structs.replace(start, recipe=recipe)
    return [
        msgspec.structs.replace(event, val_accuracy=val_accuracy(event) * (0.9 + 0.01 * number))
        if isinstance(event, ev.EpochFinished)
        else event
        for event in events
    ]


def failed(after: int = 3) -> list[ev.Event]:
    calls = [f'  File "core/training/loop/train.py", line {n}, in step_{n}\n    loss.backward()' for n in range(40, 52)]
    error = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    trace = "\n".join(["Traceback (most recent call last):", *calls, f"torch.{error}"])
    return [*beginning(20), *epochs(1, after), ev.RunFailed(error=error, traceback=trace)]


def write_run(folder: Path, events: list[ev.Event], *, every: float = 0.1) -> Path:
    """A run folder with these events, a fixed time apart, as if its trainer had ended or were elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    timed = (msgspec.structs.replace(e, seq=i, time=START + every * i) for i, e in enumerate(events))
    (folder / "events.jsonl").write_bytes(b"".join(ev.encode(event) for event in timed))
    (folder / "run.lock").write_text(f"4242 {START - 1:.6f}\n")
    return folder


def append(folder: Path, events: list[ev.Event]) -> None:
    """Further events, as of now."""
    journal = Journal(folder / "events.jsonl")
    for event in events:
        journal.write(event)
    journal.close()


def answer(folder: Path, message: str, *, accepted: bool = True) -> ev.RequestAnswered:
    """The answer to the request in the run's control file."""
    asked = msgspec.json.decode((folder / "control.json").read_bytes(), type=Request)
    return ev.RequestAnswered(request=asked.request, id=asked.id, accepted=accepted, message=message)


def with_genres(genres: list[str]) -> list[ev.Event]:
    """A finished run on these genres; the first is confused with the last twice in ten."""
    grid = [[8 if i == j else 0 for j in range(len(genres))] for i in range(len(genres))]
    grid[0][-1] = 2
    wrong = [
        ev.Misclassified(path=f"{genres[0]}/{n}.wav", genre=genres[0], predicted=genres[-1], probability=0.5)
        for n in range(2)
    ]
    events: list[ev.Event] = []
    for event in whole(3):
        match event:
            case ev.DatasetScanned():
                event = msgspec.structs.replace(event, genres=genres, clips=dict.fromkeys(genres, 9))
            case ev.EpochFinished():
                event = msgspec.structs.replace(event, genre_accuracy=[0.8] * len(genres), confusion=grid)
            case ev.TestFinished():
                event = msgspec.structs.replace(event, genres=genres, confusion=grid, misclassified=wrong, report={})
        events.append(event)
    return events
