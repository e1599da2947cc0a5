from dataclasses import replace

from core.runs.journal import events as ev
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support.event_sequences import START, beginning, epoch_finished, numbered, run_started


def alive(state: RunState) -> RunState:
    """As somebody sees it who looks when the last event is written, and whose clock shows the same."""
    return replace(state, alive=True, observed=state.time)


def after_epochs(*train_seconds: float, epochs: int = 10) -> RunState:
    rows = [epoch_finished(n, train_seconds=seconds) for n, seconds in enumerate(train_seconds, start=1)]
    return alive(reduce(RunState.empty(), numbered([*beginning(epochs), *rows])))


def test_the_first_epoch_is_all_there_is_to_go_by_at_first() -> None:
    state = after_epochs(60.0)
    assert state.eta_seconds(state.time) == 9 * (60.0 + 0.5)


def test_then_the_warm_up_no_longer_counts() -> None:
    state = after_epochs(60.0, 4.0, 4.2, 3.8)
    assert state.eta_seconds(state.time) == 6 * (4.0 + 0.5)


def test_the_warm_up_of_a_further_life_does_not_count_either() -> None:
    state = after_epochs(60.0, 4.0, 4.0)
    state = alive(
        reduce(
            state,
            numbered(
                [run_started(10, resumed_from=3), epoch_finished(4, train_seconds=70.0)], first=99, start=START + 100
            ),
        )
    )
    assert state.eta_seconds(state.time) == 6 * (4.0 + 0.5)


def test_train_and_validation_are_counted_apart_within_an_epoch() -> None:
    state = after_epochs(60.0, 4.0)
    start = state.time
    batches = [
        ev.EpochStarted(epoch=3, batches=8, seq=50, time=start),
        ev.BatchProgress(epoch=3, batch=6, batches=8, step=22, seq=51, time=start + 3),
    ]
    state = alive(reduce(state, batches))
    assert state.eta_seconds(start + 3) == 7 * 4.5 + 0.25 * 4.0 + 0.5
    validating = ev.BatchProgress(epoch=3, batch=1, batches=2, step=24, phase="validate", seq=52, time=start + 4)
    state = alive(reduce(state, [validating]))
    assert state.eta_seconds(start + 4) == 7 * 4.5 + 0.5 * 0.5


def test_it_counts_down_between_reports_and_not_below_zero() -> None:
    state = after_epochs(4.0, 4.0, 4.0, epochs=4)
    assert state.eta_seconds(state.time + 1) == 3.5
    assert state.eta_seconds(state.time + 1000) == 0


def test_the_first_epoch_is_estimated_from_its_pace_without_its_first_report() -> None:
    state = reduce(RunState.empty(), numbered(beginning(2)))
    start = state.time
    events: list[ev.Event] = [ev.EpochStarted(epoch=1, batches=100, seq=50, time=start)]
    assert alive(reduce(state, events)).eta_seconds(start) is None
    # 30 s until the first batch, then one a second
    events += [
        ev.BatchProgress(epoch=1, batch=1 + i, batches=100, step=1 + i, seq=51 + i, time=start + 30 + i)
        for i in range(50)
    ]
    left = alive(reduce(state, events)).eta_seconds(start + 79)
    assert left is not None
    validation = 100 / 24
    assert abs(left - (50 + validation + 100 + validation)) < 1e-6


def test_nothing_is_promised_while_paused_or_ended() -> None:
    state = after_epochs(4.0, 4.0)
    paused = reduce(state, [ev.RequestAnswered(request="pause", id="1", accepted=True, message="")])
    assert alive(paused).eta_seconds(state.time) is None
    ended = reduce(state, [ev.RunStopped(seconds=1.0, message="")])
    assert alive(ended).eta_seconds(state.time) is None


def test_a_pause_is_not_work_and_shortens_nothing() -> None:
    state = after_epochs(4.0, 4.0)
    worked, left = state.seconds(state.time), state.eta_seconds(state.time)

    def answered(request: str, after: float) -> ev.Event:
        return ev.RequestAnswered(
            request=request,
            id=request,
            accepted=True,
            message="",
            time=state.time + after,
            seq=state.seq + round(after),
        )

    paused = alive(reduce(state, [answered("pause", 1.0)]))
    assert paused.seconds(state.time + 500) == worked + 1
    resumed = alive(reduce(paused, [answered("resume", 501.0)]))
    assert resumed.seconds(state.time + 503) == worked + 3
    assert resumed.eta_seconds(state.time + 501) == left
    stopped = reduce(alive(reduce(state, [answered("pause", 1.0)])), [answered("stop", 501.0)])
    assert alive(stopped).seconds(state.time + 502) == worked + 2
