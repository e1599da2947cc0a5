"""Notices about a run: the user's rules, and deriving notices from events."""

import math
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from core.util.text import counted

Kind = Literal["finished", "stopped", "failed", "lost", "nan", "no_improvement", "best"]
QUIET = (ev.BatchProgress, ev.DeviceSample, ev.FeaturesProgress, ev.Warned, ev.ArtefactSaved, ev.RequestAnswered)
"""Events that never lead to a notice."""


class NotifyRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which notices are sent to the terminals of viewers and to the webhook."""

    finished: bool = True
    """The run has finished."""
    stopped: bool = True
    """The run was stopped on request."""
    failed: bool = True
    """The run has failed."""
    lost: bool = True
    """The trainer died (killed, out of memory or rebooted). Another process of the user notices that."""
    nan: bool = True
    """The loss or a weight became NaN or infinite, which ends the run."""
    no_improvement: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The best validation accuracy is this many epochs old; 0 for never."""
    best_above: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The validation accuracy has passed this fraction, such as 0.8; 0 for never."""


class Notice(NamedTuple):
    """A sentence about a run, without its name."""

    kind: Kind
    text: str


class RunNotices:
    """Derives notices from a run's events.

    Attributes:
        state: the run as of the last event taken, without batch progress. Its history has the epochs that improved the
            model and the last one; its name is the caller's business.
    """

    def __init__(self, rules: NotifyRules) -> None:
        self.rules = rules
        self.state = RunState.empty()

    def take(self, event: ev.Event) -> list[Notice]:
        """The notices for the next event."""
        if isinstance(event, QUIET):
            return []
        before, rules = self.state, self.rules
        if isinstance(event, ev.EpochFinished) and before.best is not None:
            # After a resume the best epoch matters; all others of a long run would only take memory.
            before = replace(before, history=before.history.up_to(before.best.epoch))
        self.state = reduce(before, [event])
        match event:
            case ev.EpochFinished():
                return self._epoch(before, event)
            case ev.RunFinished() if rules.finished:
                return [Notice("finished", f"finished after {self._duration()}{self._results()}")]
            case ev.RunStopped() if rules.stopped:
                return [Notice("stopped", f"stopped after {self._duration()}{self._results()}")]
            case ev.RunFailed(diverged=True) if rules.nan:
                return [Notice("nan", f"ended, the loss is NaN or infinite: {event.error}")]
            case ev.RunFailed(diverged=False) if rules.failed:
                return [Notice("failed", f"failed after {self._duration()}{self._results()}: {event.error}")]
            case _:
                return []

    def lost(self) -> list[Notice]:
        """The notices for a trainer that died without a last event."""
        return [Notice("lost", f"lost: the trainer died{self._results()}")] if self.rules.lost else []

    def _epoch(self, before: RunState, event: ev.EpochFinished) -> list[Notice]:
        best, limit = self.state.best, self.rules.best_above
        if best is None:
            return []
        notices = []
        former = -1.0 if before.best is None or math.isnan(before.best.val_accuracy) else before.best.val_accuracy
        if 0 < limit <= best.val_accuracy and former < limit:
            text = f"validation accuracy {percent(best.val_accuracy)} in epoch {best.epoch}, above {percent(limit)}"
            notices.append(Notice("best", text))
        if self.rules.no_improvement and event.epoch - best.epoch == self.rules.no_improvement:
            epochs = counted(self.rules.no_improvement, "epoch")
            notices.append(Notice("no_improvement", f"no improvement for {epochs}{self._results()}"))
        return notices

    def _duration(self) -> str:
        return duration(self.state.seconds(0.0))

    def _results(self) -> str:
        state = self.state
        best = "" if state.best is None else f", best validation accuracy {percent(state.best.val_accuracy)}"
        return best + ("" if state.test is None else f", test accuracy {percent(state.test.accuracy)}")
