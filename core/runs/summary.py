"""Summaries of runs for lists, cached in the folder of each run that has ended, with their recipes as flat tables of
fields for filters and comparisons."""

import contextlib
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.runs import directory
from core.runs.directory import elsewhere, made_at, scan_runs
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from core.runs.notes import FILE as NOTES
from core.runs.notes import read_notes
from core.util.atomic import write_atomic
from core.util.files import read_json
from core.util.text import printable

Scalar = str | float | int | bool | None
NOT_THE_RECIPE = {"seed", "device", "processes", "spectrograms"}
LARGEST = 2**53
"""Larger integers are stored as text, because JSON readers would round them."""


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """The recipe's fields; nested ones as ``optimiser.name``. Text is made printable and lists are joined."""
    fields: dict[str, Scalar] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[printable(f"{prefix}{name}")] = _scalar(value)
    return fields


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(written, map(_scalar, value)))
    return printable(str(value))


def written(value: Scalar) -> str:
    """``0.001``, ``1.7e-4``, ``adam``, or a dash for null."""
    if isinstance(value, float):
        return f"{value:.4g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")
    return "–" if value is None else str(value)


def differences(recipes: Sequence[Mapping[str, Scalar]]) -> list[tuple[str, list[str]]]:
    """The fields in which flat recipes differ, with the value in each; a dash if it does not have the field."""
    names = dict.fromkeys(name for recipe in recipes for name in recipe)
    rows = [(name, [written(recipe.get(name)) for recipe in recipes]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def but_for_the_seed(recipe: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    """The fields that are equal for runs of one recipe: all but the seed and `NOT_THE_RECIPE`."""
    return frozenset(item for item in recipe.items() if item[0] not in NOT_THE_RECIPE)


def changes(recipe: Mapping[str, Scalar], base: Mapping[str, Scalar]) -> list[tuple[str, str, str]]:
    """Name, value in ``base`` and value in ``recipe`` of each common field that differs."""
    return [
        (name, written(base[name]), written(value))
        for name, value in recipe.items()
        if name in base and written(base[name]) != written(value)
    ]


CACHE = ".summary.json"
VERSION = 4
POINTS = 48
"""Most values of a summary's curve."""

QUIET = frozenset(
    {
        "batch_progress",
        "device_sample",
        "features_progress",
        "dataset_scanned",
        "model_built",
        "epoch_started",
        "checkpoint_saved",
        "warned",
        "artefact_saved",
    }
)
"""Kinds of events that summaries do not need, which are most of a journal."""

LIVING = ("queued", "running", "paused")

Scope = Literal["folder", "live", "all"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``genre-tui runs``. Accuracies are fractions, times are Unix seconds."""

    name: str
    state: str
    path: str
    model: str
    dataset: str
    epochs_done: int
    epochs: int
    best_val_accuracy: float | None
    test_accuracy: float | None
    started: float | None
    seconds: float
    place: int = 0
    """Place in the queue; 1 is next, 0 means not queued."""
    tags: list[str] = []
    note: str = ""
    pinned: float = 0.0
    """When it was pinned as the baseline of its folder; 0 if it was not. The run pinned last is the baseline."""
    recipe: dict[str, Scalar] = {}
    """The recipe's fields; nested ones as ``optimiser.learning_rate``."""
    device_name: str = ""
    curve: list[float] = []
    """Validation accuracy over epochs, averaged into at most `POINTS` bins."""
    difference: float | None = None
    """Test accuracy minus that of the folder's baseline; None without a baseline on the same dataset."""

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


Stamp = tuple[int, int, int, int, int]


class _Cached(msgspec.Struct, frozen=True):
    version: int
    stamp: Stamp
    summary: Summary


class RunWatcher:
    """Keeps the summary of a run up to date, reading only new events."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._tail: RunReader | None = None
        self._rested: tuple[Stamp, Summary] | None = None
        self._unsaved = False

    def summary(self, now: float | None = None, *, save: bool = True) -> Summary:
        """The current summary.

        Args:
            now: the viewer's ``time.monotonic``.
            save: cache the summary of a run that has ended; otherwise `save` does.
        """
        stamp = _stamp(self.run)
        if self._rested is None or self._rested[0] != stamp:
            cached = _read_cache(self.run, stamp)
            self._rested = None if cached is None else (stamp, cached)
        if self._rested is not None and not self.run.is_alive():
            self._tail = None
            return self._rested[1]
        self._tail = self._tail or RunReader(self.run, skip=QUIET)
        summary = self._read(self._tail, now)
        if summary.state not in LIVING and not self._tail.state.alive:
            self._rested, self._tail, self._unsaved = (stamp, summary), None, True
            if save:
                self.save()
        return summary

    def save(self) -> None:
        """Cache the summary in the run's folder, if it is new."""
        if self._unsaved and self._rested is not None:
            _write_cache(self.run, *self._rested)
        self._unsaved = False

    def _read(self, tail: RunReader, now: float | None) -> Summary:
        tail.poll()
        summary = summarise(tail.state, self.run.path, time.monotonic() if now is None else now)
        notes = read_notes(self.run)
        return msgspec.structs.replace(summary, tags=notes.tags, note=notes.note, pinned=notes.pinned)


class RunList:
    """All runs of a folder. `refresh` takes milliseconds for a thousand runs of which few are running.

    Attributes:
        scope: which runs of other folders are listed as well: none, the user's live ones, or all of the user's.
    """

    def __init__(self, runs_dir: Path, scope: Scope = "folder") -> None:
        self.runs_dir = Path(runs_dir)
        self.scope: Scope = scope
        self._watchers: dict[Path, RunWatcher] = {}

    def refresh(self, *, save: bool = True) -> list[Summary]:
        """The current summaries, the newest run first; runs that no longer exist are left out.

        Args:
            save: see `RunWatcher.summary`. Saving those of a thousand runs takes longer than reading them.
        """
        runs = scan_runs(self.runs_dir)
        if self.scope != "folder":
            others = directory.live_runs() if self.scope == "live" else directory.registered()
            runs += elsewhere(others, self.runs_dir)
        self._watchers = {run.path: self._watchers.get(run.path) or RunWatcher(run) for run in runs}
        summaries = [watcher.summary(save=save) for watcher in self._watchers.values()]
        bases = baselines(summaries)
        summaries = [_compared(summary, bases.get(str(Path(summary.path).parent))) for summary in summaries]
        return sorted(summaries, key=lambda s: (s.started or made_at(RunFolder(Path(s.path))), s.name), reverse=True)

    def save(self) -> None:
        """Cache the summaries that are new."""
        for watcher in self._watchers.values():
            watcher.save()


def baselines(runs: Iterable[Summary]) -> dict[str, Summary]:
    """Each folder's baseline: the run that was pinned last."""
    return {str(Path(run.path).parent): run for run in sorted(runs, key=lambda run: run.pinned) if run.pinned > 0}


def _compared(run: Summary, base: Summary | None) -> Summary:
    if base is None or run.path == base.path or run.dataset != base.dataset:
        return run
    if run.test_accuracy is None or base.test_accuracy is None:
        return run
    return msgspec.structs.replace(run, difference=run.test_accuracy - base.test_accuracy)


def curve(values: Sequence[float]) -> list[float]:
    """Average into at most `POINTS` bins, without those that have no finite value."""
    bins = min(POINTS, len(values)) or 1
    edges = [round(i * len(values) / bins) for i in range(bins + 1)]
    finite = [[value for value in values[a:b] if math.isfinite(value)] for a, b in pairwise(edges)]
    return [round(sum(part) / len(part), 4) for part in finite if part]


def summarise(state: RunState, path: Path, now: float) -> Summary:
    best = None if state.best is None or math.isnan(state.best.val_accuracy) else state.best.val_accuracy
    return Summary(
        name=state.name,
        state=state.status,
        path=str(path),
        model=state.model,
        dataset=state.dataset,
        epochs_done=state.epochs_done,
        epochs=state.epochs,
        best_val_accuracy=best,
        test_accuracy=None if state.test is None else state.test.accuracy,
        started=state.started,
        seconds=state.seconds(now),
        place=state.place,
        recipe=flat(state.recipe),
        device_name=state.device_name,
        curve=curve(state.history.column("val_accuracy")),
    )


def _stamp(run: RunFolder) -> Stamp:
    """Size and time of the journal, and times of lock, recipe and notes, while which a cached summary is valid."""
    folder = str(run.path)  # pathlib would take half of the time of listing thousands of runs
    size, journal = _size_and_time(f"{folder}/events.jsonl")
    lock, recipe, notes = (_size_and_time(f"{folder}/{name}")[1] for name in ("run.lock", "recipe.json", NOTES))
    return size, journal, lock, recipe, notes


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - see `_stamp`
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _read_cache(run: RunFolder, stamp: Stamp) -> Summary | None:
    cached = read_json(run.path / CACHE, _Cached)
    if cached is None or cached.version != VERSION or cached.stamp != stamp:
        return None
    return msgspec.structs.replace(cached.summary, name=run.name, path=str(run.path))


def _write_cache(run: RunFolder, stamp: Stamp, summary: Summary) -> None:
    # Without name and path, which are known on reading and need not be UTF-8.
    data = msgspec.json.encode(_Cached(VERSION, stamp, msgspec.structs.replace(summary, name="", path="")))
    path = f"{run.path}/{CACHE}"
    # Errors are ignored: runs of other users may be read-only and are then read every time.
    with contextlib.suppress(OSError):
        try:  # a new file needs no replacing, which takes three times as long; one that is cut off is not read
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            write_atomic(Path(path), data, sync=False)
        else:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                file.write(data)
