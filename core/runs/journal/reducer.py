"""Reducing events to a state: ``reduce(RunState.empty(), events)`` is a pure function.

A journal may be damaged. Lines that are not events are counted in `JournalReader.bad_lines`; events that contradict
earlier ones are skipped and counted in `RunState.damaged`. In a state, lists that belong together have equal lengths
and numbers are in range.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from core.runs.journal import events as ev
from core.runs.journal.history import EpochRow
from core.runs.journal.log_lines import log_lines
from core.runs.journal.state import ANSWERS, LOG_LINES, PER_BATCH, PER_SAMPLE, End, RunState, Validation

RECIPE_GROUPS = ("front_end", "split", "optimiser", "augmentation", "model_options")
"""Fields of a recipe with subfields."""


def reduce(state: RunState, events: Iterable[ev.Event]) -> RunState:
    """The state after ``events``; ``state`` is not modified. Reducing in pieces gives the same result.

    Events that were reduced before (by sequence number and time) are ignored.
    """
    new = replace(
        state,
        series={name: series.copy() for name, series in state.series.items()},
        artefacts=dict(state.artefacts),
        checkpoints=dict(state.checkpoints),
        answers=dict(state.answers),
        log=list(state.log),
        timing=state.timing.copy(),
    )
    for event in events:
        # Both, because after a single damaged number all further events would look old.
        if 0 <= event.seq <= new.seq and event.time <= new.time:
            continue
        if isinstance(event, ev.DatasetScanned):
            event = event.shortened()  # older journals name every file
        new.seq, new.time = max(new.seq, event.seq), event.time
        if not _is_consistent(event):
            new.damaged += 1
            continue
        new.timing.add(event)
        _apply(new, event)
        new.newer = new.newer or event.schema > ev.SCHEMA
        new.log += log_lines(event, new.timing.seconds())
        if len(new.log) > 2 * LOG_LINES:
            _trim_log(new)
    _trim_log(new)
    return new


def plausible_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    """``recipe`` without groups that are not dicts, which a recipe written by hand may have."""
    return {name: value for name, value in recipe.items() if name not in RECIPE_GROUPS or isinstance(value, dict)}


def _trim_log(state: RunState) -> None:
    surplus = len(state.log) - LOG_LINES
    if surplus > 0:
        state.log_dropped += surplus
        del state.log[:surplus]


def _is_consistent(event: ev.Event) -> bool:
    """Whether the fields of an event are consistent."""
    match event:
        case ev.DatasetScanned():
            genres = set(event.genres)
            return len(genres) == len(event.genres) and genres >= event.clips.keys()
        case ev.FeaturesProgress():
            return event.cached <= event.done <= event.total
        case ev.BatchProgress():
            return event.batch <= event.batches and event.phase in ("train", "validate")
        case ev.CheckpointSaved():
            return event.what in ("best", "last")
        case ev.TestFinished():
            genres = set(event.genres)
            return (
                0 < len(genres) == len(event.genres)
                and _is_square(event.confusion, len(genres))
                and all({m.genre, m.predicted} <= genres for m in event.misclassified)
            )
        case _:
            return True


def _is_square(confusion: Sequence[Sequence[int]], size: int) -> bool:
    return len(confusion) == size and all(len(row) == size for row in confusion)


def _apply(state: RunState, event: ev.Event) -> None:
    match event:
        case ev.BatchProgress():
            _batch(state, event)
        case ev.EpochStarted():
            state.phase, state.epoch, state.batch, state.batches = "training", event.epoch, 0, event.batches
        case ev.EpochFinished():
            _epoch(state, event)
        case ev.DeviceSample():
            _sample(state, event)
        case ev.RunStarted():
            _start(state, event)
        case ev.RunQueued():
            _queue(state, event)
        case ev.DatasetScanned():
            _dataset(state, event)
        case ev.FeaturesProgress():
            state.phase, state.features = "features", event
            state.clips_per_second = event.clips_per_second
        case ev.ModelBuilt():
            state.phase = "training"
            state.model, state.parameters, state.input_shape = event.model, event.parameters, event.input_shape
            state.precision = event.precision
        case ev.CheckpointSaved():
            state.checkpoints[event.what] = event
        case ev.Warned():
            state.warnings += 1
        case ev.ArtefactSaved():
            state.artefacts[event.path] = event
        case ev.TestFinished():
            state.phase, state.test = "reporting", event
        case ev.RequestAnswered():
            _answer(state, event)
        case ev.RunFinished():
            _end(state, "finished", event.message)
        case ev.RunStopped():
            _end(state, "stopped", event.message)
        case ev.RunFailed():
            state.failure = event
            _end(state, "failed", event.error)


def _queue(state: RunState, event: ev.RunQueued) -> None:
    """The run is alive again if it had ended; its results remain valid."""
    state.phase, state.place, state.paused, state.stopping = "queued", event.place, False, False
    state.end, state.end_message, state.failure = None, "", None
    state.pid, state.host = event.pid or state.pid, event.host or state.host


def _start(state: RunState, event: ev.RunStarted) -> None:
    """A first start or a resumption, which discards everything after the checkpoint."""
    state.recipe, state.model, state.dataset = plausible_recipe(event.recipe), event.model, event.dataset
    state.device, state.device_name, state.host, state.pid = event.device, event.device_name, event.host, event.pid
    state.epochs, state.resumed_from = event.epochs, event.resumed_from
    state.phase, state.place, state.paused, state.stopping = "scanning", 0, False, False
    state.end, state.end_message, state.failure, state.test = None, "", None, None
    state.batch = state.batches = 0
    state.epoch = event.resumed_from or 0
    state.history = state.history.up_to(state.epoch)
    state.step = state.history[-1].step if state.history else 0
    if state.best is not None and state.best.epoch > state.epoch:
        state.best = max(state.history, key=_accuracy, default=None)
    if state.started is None:
        state.started = event.time


def _dataset(state: RunState, event: ev.DatasetScanned) -> None:
    state.phase = "features"
    state.genres, state.clips, state.parts, state.hours = event.genres, event.clips, event.parts, event.hours
    state.excluded, state.more_excluded = event.excluded, event.more_excluded
    if state.validation is not None and len(state.validation.genre_accuracy) != len(state.genres):
        state.validation = None


def _batch(state: RunState, event: ev.BatchProgress) -> None:
    state.phase = "training" if event.phase == "train" else "validating"
    state.epoch, state.batch, state.batches = event.epoch, event.batch, event.batches
    state.clips_per_second = event.clips_per_second or state.clips_per_second
    if event.phase == "train":
        state.step = event.step
        state.learning_rate = event.learning_rate if event.learning_rate is not None else state.learning_rate
        for name in PER_BATCH:
            state.series[name].add(event.step, getattr(event, name))


def _sample(state: RunState, event: ev.DeviceSample) -> None:
    """Samples are stored by step; of several at one step the first is kept."""
    state.device_sample = event
    for name in PER_SAMPLE:
        series = state.series[name]
        if state.step and not (series.points and series.points[-1].last == state.step):
            series.add(state.step, getattr(event, name))


def _epoch(state: RunState, event: ev.EpochFinished) -> None:
    row = EpochRow(
        event.epoch,
        _finite(event.train_loss),
        _finite(event.train_accuracy),
        _finite(event.val_loss),
        _finite(event.val_accuracy),
        event.learning_rate,
        event.seconds,
        event.train_seconds,
        event.val_seconds,
        event.clips_per_second,
        state.step,
        _finite(event.gradient_norm),
    )
    state.history = state.history.with_row(row)
    if event.is_best or state.best is None:
        state.best = row
    _validation(state, event)
    state.epoch, state.batch, state.batches = event.epoch, 0, 0
    state.learning_rate, state.clips_per_second = event.learning_rate, event.clips_per_second
    state.phase = "testing" if event.epoch >= state.epochs else "training"


def _validation(state: RunState, event: ev.EpochFinished) -> None:
    """Accuracies per genre must match the genres; the row of the table is independent of them."""
    if not event.genre_accuracy and not event.confusion:
        return
    genres = len(event.genre_accuracy)
    if not state.genres:
        return  # the scan was skipped or damaged, so the genres are unknown
    if genres == len(state.genres) and (not event.confusion or _is_square(event.confusion, genres)):
        state.validation = Validation(event.epoch, event.genre_accuracy, event.confusion)
    else:
        state.damaged += 1


def _answer(state: RunState, event: ev.RequestAnswered) -> None:
    state.answers[event.id] = event
    while len(state.answers) > ANSWERS:
        del state.answers[next(iter(state.answers))]
    if not event.accepted:
        return
    match event.request:
        case "pause":
            state.paused = True
        case "resume":
            state.paused = False
        case "stop":
            state.stopping, state.paused = True, False
        case "extend":
            state.epochs = event.epochs or state.epochs


def _end(state: RunState, end: End, message: str) -> None:
    state.end, state.end_message = end, message
    state.phase, state.place, state.paused, state.stopping = "ended", 0, False, False


def _accuracy(row: EpochRow) -> float:
    return -1.0 if math.isnan(row.val_accuracy) else row.val_accuracy


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan
