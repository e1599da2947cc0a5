"""What is worth telling about a run."""

import pytest

from core.runs.journal import events as ev
from core.runs.notices import NotifyRules, RunNotices
from tests.support.event_sequences import beginning, epoch, numbered, run_started, whole_run


def told(events: list[ev.Event], **rules: float) -> list[tuple[str, str]]:
    notices = RunNotices(NotifyRules(**rules))  # type: ignore[arg-type]
    return [(notice.kind, notice.text) for event in numbered(events) for notice in notices.take(event)]


def test_by_default_only_how_a_run_ends() -> None:
    [(kind, text)] = told(whole_run())
    assert kind == "finished"
    assert text.endswith("best validation accuracy 70.0%, test accuracy 75.0%")
    assert told(whole_run(), finished=False) == []
    [(kind, _)] = told([*beginning(), ev.RunStopped(seconds=1.0, message="")])
    assert kind == "stopped"


@pytest.mark.parametrize(("diverged", "kind"), [(False, "failed"), (True, "nan")])
def test_a_failure_and_a_loss_that_is_nan_are_told_apart(diverged: bool, kind: str) -> None:
    events = [*beginning(), ev.RunFailed(error="a reason", traceback="", diverged=diverged)]
    [(told_kind, text)] = told(events)
    assert told_kind == kind
    assert text.endswith("a reason")
    assert told(events, **{kind: False}) == []


def test_no_improvement_is_told_once_per_best() -> None:
    flat = [event for number in (2, 3, 4) for event in epoch(number, is_best=False)]
    events = [*beginning(9), *epoch(1), *flat, *epoch(5), *(e for n in (6, 7) for e in epoch(n, is_best=False))]
    assert [text.split(",")[0] for _, text in told(events, no_improvement=2)] == ["no improvement for 2 epochs"] * 2


def test_a_best_that_passes_the_limit_is_told_once() -> None:
    assert told([*beginning(), *epoch(1), *epoch(2), *epoch(3)], best_above=0.55) == [
        ("best", "validation accuracy 60.0% in epoch 2, above 55.0%")
    ]
    assert told([*beginning(), *epoch(1)], best_above=0.9) == []


def test_a_long_run_without_improvement_keeps_few_epochs_and_its_best_across_a_resume() -> None:
    notices = RunNotices(NotifyRules(best_above=0.55))
    flat = [event for number in range(3, 200) for event in epoch(number, is_best=False)]
    resumed = run_started(200, resumed_from=150)
    events = [*beginning(200), *epoch(1), *epoch(2), *flat, resumed, *epoch(151, is_best=False)]
    assert [notice.kind for event in numbered(events) for notice in notices.take(event)] == ["best"]
    assert notices.state.best is not None and notices.state.best.epoch == 2
    assert [row.epoch for row in notices.state.history] == [1, 2, 151]
