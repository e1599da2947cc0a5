"""Formatting events as lines of text, for the log file, the Watch screen and ``train``."""

import time
from typing import Literal, NamedTuple

from core.runs.journal import events as ev

Level = Literal["info", "good", "warning", "error"]

BRIEFEST = 0.05
"""Phases shorter than this many seconds are not listed."""

_QUIET = (ev.BatchProgress, ev.DeviceSample, ev.FeaturesProgress, ev.EpochStarted)


class LogLine(NamedTuple):
    time: float
    level: Level
    text: str


def log_lines(event: ev.Event, worked: float | None = None) -> list[LogLine]:
    """The lines for an event: none for progress and device samples, several for a traceback.

    Args:
        worked: working time of the run, for older journals whose events do not have it.
    """
    if isinstance(event, _QUIET):
        return []
    texts = _texts(event, worked)
    return [LogLine(event.time, level, line) for level, text in texts for line in text.splitlines() or [""]]


def log_text(event: ev.Event) -> str:
    """The lines for an event with date and time, for a file; empty for progress."""
    return "".join(
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(line.time))}  {line.text}\n" for line in log_lines(event)
    )


def _texts(event: ev.Event, worked: float | None) -> list[tuple[Level, str]]:
    match event:
        case ev.RunQueued():
            waits = f": {event.message}" if event.message else ""
            return [("info", f"queued for {', '.join(event.devices)}, place {event.place}{waits}")]
        case ev.RunStarted():
            begun = "started" if event.resumed_from is None else f"resumed after epoch {event.resumed_from}"
            return [("info", f"run {begun}: {event.model} on {event.dataset}, {event.device_name or event.device}")]
        case ev.DatasetScanned():
            return _dataset(event)
        case ev.ModelBuilt():
            shape = " × ".join(map(str, event.input_shape))
            precision = f", {event.precision}" if event.precision else ""
            return [("info", f"model {event.model}: {event.parameters:,} parameters, input {shape}{precision}")]
        case ev.EpochFinished():
            return [("info", epoch_line(event))]
        case ev.CheckpointSaved(what="best"):
            return [("good", f"best model saved ({percent(event.val_accuracy)})")]
        case ev.Warned():
            return [("warning", event.message)]
        case ev.TestFinished():
            text = f"test: loss {number(event.loss)}, accuracy {percent(event.accuracy)}, macro F1 {event.macro_f1:.3f}"
            return [("good", f"{text} (model of epoch {event.best_epoch})")]
        case ev.ArtefactSaved():
            files = f" ({event.count:,} files)" if event.count > 1 else ""
            return [("info", f"{event.what}: {event.path}{files}")]
        case ev.RequestAnswered():
            return [("info" if event.accepted else "warning", f"{event.request}: {event.message}")]
        case ev.RunFinished():
            best = f"best validation accuracy {percent(event.best_val_accuracy)} in epoch {event.best_epoch}"
            text = f"finished in {duration(event.seconds if worked is None else worked)}, {best}"
            return [("good", f"{text}. {event.message}" if event.message else text), *_phases(event)]
        case ev.RunStopped():
            seconds = event.seconds if worked is None else worked
            return [("warning", f"stopped after {duration(seconds)}: {event.message}"), *_phases(event)]
        case ev.RunFailed():
            return [("error", f"failed: {event.error}"), ("error", event.traceback)]
        case _:
            return []


def _dataset(event: ev.DatasetScanned) -> list[tuple[Level, str]]:
    parts = ", ".join(f"{part} {clips:,}" for part, clips in event.parts.items())
    clips = sum(event.clips.values())
    return [
        *(("info", line) for line in [event.labels] if line),
        ("info", f"{clips:,} clips of {len(event.genres)} genres, {event.hours:.1f} h: {parts}"),
        *(("warning", f"left out {clip.path}: {clip.reason}") for clip in event.excluded),
        *(("warning", f"left out {count:,} more: {reason}") for reason, count in event.more_excluded.items()),
    ]


def _phases(event: ev.RunFinished | ev.RunStopped) -> list[tuple[Level, str]]:
    """``start 1.1 s, scan 0.1 s, …; in the background: checkpoints 0.4 s``."""
    beside = _durations(event.background)
    text = _durations(event.phases) + (f"; in the background: {beside}" if beside else "")
    return [("info", text)] if event.phases else []


def _durations(phases: dict[str, float]) -> str:
    return ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases.items() if seconds >= BRIEFEST)


def epoch_line(event: ev.EpochFinished) -> str:
    star = " ★" if event.is_best else ""
    return (
        f"epoch {event.epoch}: train loss {number(event.train_loss)} accuracy {percent(event.train_accuracy)}, "
        f"val loss {number(event.val_loss)} accuracy {percent(event.val_accuracy)}, "
        f"{duration(event.seconds)}, {event.clips_per_second:,.0f} clips/s{star}"
    )


def percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.1%}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def duration(seconds: float) -> str:
    """0.4 s, 41 s, 3:07, 2:14:05."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
