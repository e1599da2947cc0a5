"""How events make a state: ``RunState = fold(RunState.empty(), events)``, a pure function of the events read so far."""

import math
from collections.abc import Iterable
from dataclasses import replace

from core.runs.journal import events as ev
from core.runs.journal.log_lines import narrate
from core.runs.journal.state import ANSWERS, LOG_LINES, End, EpochRow, RunState, Validation


def fold(state: RunState, events: Iterable[ev.Event]) -> RunState:
    """The state after ``events``. Pure: ``state`` is left as it was, and pieces fold to the same as the whole.

    Events that were taken in before (by sequence number) are passed over.
    """
    new = replace(
        state,
        history=list(state.history),
        step_loss=state.step_loss.copy(),
        step_accuracy=state.step_accuracy.copy(),
        artefacts=dict(state.artefacts),
        checkpoints=dict(state.checkpoints),
        answers=dict(state.answers),
        log=list(state.log),
        timing=state.timing.copy(),
    )
    for event in events:
        if 0 <= event.seq <= new.seq:
            continue
        _apply(new, event)
        new.seq = max(new.seq, event.seq)
        new.time = max(new.time, event.time)
        new.newer = new.newer or event.schema > ev.SCHEMA
        new.log += narrate(event)
        if len(new.log) > 2 * LOG_LINES:
            _trim_log(new)
    _trim_log(new)
    return new


def _trim_log(state: RunState) -> None:
    surplus = len(state.log) - LOG_LINES
    if surplus > 0:
        state.log_dropped += surplus
        del state.log[:surplus]


def _apply(state: RunState, event: ev.Event) -> None:
    match event:
        case ev.BatchProgress():
            _batch(state, event)
        case ev.EpochStarted():
            state.phase, state.epoch, state.batch, state.batches = "training", event.epoch, 0, event.batches
            state.timing.epoch_started(event)
        case ev.EpochFinished():
            _epoch(state, event)
        case ev.DeviceSample():
            state.device_sample = event
        case ev.RunStarted():
            _start(state, event)
        case ev.DatasetScanned():
            state.phase = "features"
            state.genres, state.clips, state.parts = event.genres, event.clips, event.parts
            state.hours, state.excluded = event.hours, event.excluded
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
            _end(state, "finished", event, event.message)
        case ev.RunStopped():
            _end(state, "stopped", event, event.message)
        case ev.RunFailed():
            state.failure = event
            _end(state, "failed", event, event.error)


def _start(state: RunState, event: ev.RunStarted) -> None:
    """A first start, or a further one: what comes after the checkpoint it goes on from is no longer true."""
    state.recipe, state.model, state.dataset = event.recipe, event.model, event.dataset
    state.device, state.device_name, state.host, state.pid = event.device, event.device_name, event.host, event.pid
    state.epochs, state.resumed_from = event.epochs, event.resumed_from
    state.phase, state.paused, state.stopping = "scanning", False, False
    state.end, state.end_message, state.failure, state.test = None, "", None, None
    state.batch = state.batches = 0
    state.epoch = event.resumed_from or 0
    state.history = [row for row in state.history if row.epoch <= state.epoch]
    state.step = state.history[-1].step if state.history else 0
    if state.best is not None and state.best.epoch > state.epoch:
        state.best = max(state.history, key=_accuracy, default=None)
    if state.started is None:
        state.started = event.time
    state.timing.run_started(event.time, state.time)


def _batch(state: RunState, event: ev.BatchProgress) -> None:
    state.phase = "training" if event.phase == "train" else "validating"
    state.epoch, state.batch, state.batches = event.epoch, event.batch, event.batches
    state.clips_per_second = event.clips_per_second or state.clips_per_second
    state.timing.batch_reported(event)
    if event.phase == "train":
        state.step = event.step
        state.learning_rate = event.learning_rate if event.learning_rate is not None else state.learning_rate
        state.step_loss.add(event.step, event.loss)
        state.step_accuracy.add(event.step, event.accuracy)


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
    )
    while state.history and state.history[-1].epoch >= row.epoch:
        state.history.pop()
    state.history.append(row)
    if event.is_best or state.best is None:
        state.best = row
    state.validation = Validation(event.epoch, event.genre_accuracy, event.confusion)
    state.epoch, state.batch, state.batches = event.epoch, 0, 0
    state.learning_rate, state.clips_per_second = event.learning_rate, event.clips_per_second
    state.phase = "testing" if event.epoch >= state.epochs else "training"
    state.timing.epoch_finished(event)


def _answer(state: RunState, event: ev.RequestAnswered) -> None:
    state.answers[event.id] = event
    while len(state.answers) > ANSWERS:
        del state.answers[next(iter(state.answers))]
    if not event.accepted:
        return
    match event.request:
        case "pause":
            state.paused = True
            state.timing.paused(event.time)
        case "resume":
            state.paused = False
            state.timing.resumed(event.time)
        case "stop":
            state.timing.resumed(event.time)  # where it was paused: test and report are work
            state.stopping, state.paused = True, False
        case "extend":
            state.epochs = event.epochs or state.epochs


def _end(state: RunState, end: End, event: ev.Event, message: str) -> None:
    state.end, state.end_message = end, message
    state.phase, state.paused, state.stopping = "ended", False, False
    state.timing.run_ended(event.time)


def _accuracy(row: EpochRow) -> float:
    return -1.0 if math.isnan(row.val_accuracy) else row.val_accuracy


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan
