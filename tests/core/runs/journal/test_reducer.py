import json
import math
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.runs.journal import events as ev
from core.runs.journal.history import CAPACITY
from core.runs.journal.reducer import reduce
from core.runs.journal.state import LOG_LINES, RunState
from tests.support.event_sequences import (
    BATCHES,
    GENRES,
    START,
    beginning,
    epoch,
    epoch_finished,
    finished_test,
    numbered,
    run_started,
    whole_run,
)


def folded(events: list[ev.Event]) -> RunState:
    return reduce(RunState.empty(), numbered(events))


def test_nothing_is_known_before_the_first_event() -> None:
    state = RunState.empty()
    assert state.status == "created"
    assert not state.history
    assert state.eta_seconds(START) is None
    assert state.seconds(START) == 0


def test_a_whole_run() -> None:
    state = folded(whole_run(3))
    assert state.status == "finished"
    assert state.genres == GENRES
    assert state.excluded[0].reason == "no audio in it"
    assert [row.epoch for row in state.history] == [1, 2, 3]
    assert state.history[0].val_loss == 2.5
    assert state.best is not None and state.best.epoch == 3
    assert state.validation is not None
    assert state.validation.genre_accuracy == [0.5, 1.0, None]
    assert state.test is not None
    assert state.test.accuracy == 0.75
    assert state.artefacts["Plots"].count == 3
    assert state.checkpoints["best"].epoch == 3
    assert state.device_sample is not None
    assert state.step == 3 * BATCHES
    assert [point.first for point in state.series["loss"].points] == list(range(1, 13))
    assert state.phase == "ended"
    assert "finished in" in state.log[-1].text


def test_the_phases_in_their_order() -> None:
    state = RunState.empty()
    phases: list[str] = []
    for event in numbered(whole_run(1)):
        state = reduce(state, [event])
        if not phases or phases[-1] != state.phase:
            phases.append(state.phase)
    assert phases == ["scanning", "features", "training", "validating", "testing", "reporting", "ended"]


def test_folding_leaves_the_former_state_as_it_was() -> None:
    events = numbered(whole_run())
    half = reduce(RunState.empty(), events[:20])
    before = msgspec.json.encode(half.as_dict(START))
    steps = list(half.series["loss"].points)
    reduce(half, events[20:])
    assert msgspec.json.encode(half.as_dict(START)) == before
    assert half.series["loss"].points == steps


def stories() -> st.SearchStrategy[list[ev.Event]]:
    """Events in any order at all: lost lines, repeated epochs, further lives, ends in the middle."""
    numbers = st.integers(1, 6)
    pieces: list[st.SearchStrategy[ev.Event]] = [
        st.sampled_from(beginning()),
        st.builds(run_started, st.integers(1, 9), st.none() | st.integers(0, 5)),
        st.builds(ev.EpochStarted, epoch=numbers, batches=st.integers(0, 9)),
        st.builds(
            ev.BatchProgress,
            epoch=numbers,
            batch=st.integers(1, 9),
            batches=st.integers(1, 9),
            step=st.integers(1, 3000),
            phase=st.sampled_from(["train", "validate"]),
            loss=st.none() | st.floats(),
        ),
        st.builds(epoch_finished, numbers, is_best=st.booleans()),
        st.builds(ev.CheckpointSaved, what=st.sampled_from(["best", "last"]), path=st.just("x"), epoch=numbers),
        st.builds(ev.Warned, message=st.text()),
        st.builds(
            ev.RequestAnswered,
            request=st.sampled_from(["pause", "resume", "stop", "extend"]),
            id=st.text(max_size=2),
            accepted=st.booleans(),
            message=st.text(),
            epochs=st.none() | st.integers(1, 9),
        ),
        st.just(finished_test()),
        st.just(ev.RunFinished(seconds=1.0, best_epoch=1, best_val_accuracy=0.5)),
        st.just(ev.RunStopped(seconds=1.0, message="asked to")),
        st.just(ev.RunFailed(error="no", traceback="Traceback\n  line\nno")),
    ]
    return st.lists(st.one_of(pieces), max_size=60)


@given(stories(), st.lists(st.integers(0, 60), max_size=4))
def test_pieces_fold_to_the_same_as_the_whole(story: list[ev.Event], cuts: list[int]) -> None:
    events = numbered(story)
    whole = reduce(RunState.empty(), events)
    state, start = RunState.empty(), 0
    for cut in [*sorted(cuts), len(events)]:
        state = reduce(state, events[start:cut])
        start = max(start, cut)
    assert repr(state) == repr(whole)  # NaN is not equal to itself, but is written the same


@given(stories())
def test_any_story_gives_a_state_that_screens_can_show(story: list[ev.Event]) -> None:
    state = reduce(RunState.empty(), numbered(story))
    plain = json.loads(msgspec.json.encode(state.as_dict(START + 1000)), parse_constant=lambda name: 1 / 0)
    assert plain["state"] in ("created", "running", "paused", "finished", "stopped", "failed")
    epochs = [row.epoch for row in state.history]
    assert epochs == sorted(set(epochs))
    left = replace(state, alive=True).eta_seconds(START + 1000)
    assert left is None or left >= 0


@given(stories())
def test_events_that_were_read_before_change_nothing(story: list[ev.Event]) -> None:
    events = numbered(story)
    state = reduce(RunState.empty(), events)
    assert repr(reduce(state, events)) == repr(state)


def test_an_epoch_that_is_trained_again_replaces_its_row() -> None:
    again = msgspec.structs.replace(epoch_finished(2), val_accuracy=0.9)
    state = folded([*beginning(), *epoch(1), *epoch(2), run_started(resumed_from=1), again])
    assert [(row.epoch, row.val_accuracy) for row in state.history] == [(1, 0.4), (2, 0.9)]
    assert state.resumed_from == 1


def test_a_further_life_forgets_what_comes_after_its_checkpoint() -> None:
    state = folded([*whole_run(3), run_started(epochs=6, resumed_from=1)])
    assert [row.epoch for row in state.history] == [1]
    assert state.best is not None
    assert state.best.epoch == 1
    assert state.test is None
    assert state.end is None
    assert state.epochs == 6


def test_the_steps_of_a_further_life_follow_on_its_checkpoint() -> None:
    events = [*beginning(), *epoch(1), *epoch(2), run_started(resumed_from=1), *epoch(2)]
    assert [point.first for point in folded(events).series["loss"].points] == list(range(1, 2 * BATCHES + 1))


def test_values_that_are_missing_or_infinite_are_nan_and_leave_gaps() -> None:
    odd = msgspec.structs.replace(epoch_finished(1), val_loss=None, train_loss=math.inf)
    batch = ev.BatchProgress(epoch=1, batch=1, batches=2, step=1, loss=math.nan)
    state = folded([*beginning(), batch, odd])
    assert math.isnan(state.history[0].val_loss)
    assert math.isnan(state.history[0].train_loss)
    assert state.series["loss"].points == []
    assert state.as_dict()["history"][0]["val_loss"] is None


def test_pausing_and_going_on() -> None:
    def answer(request: str, accepted: bool = True) -> ev.RequestAnswered:
        return ev.RequestAnswered(request=request, id=request, accepted=accepted, message="")

    state = folded([*beginning(), answer("pause")])
    assert state.status == "paused"
    state = reduce(state, [answer("resume", accepted=False)])
    assert state.status == "paused"
    state = reduce(state, [answer("resume")])
    assert state.status == "running"
    state = reduce(state, [answer("stop")])
    assert state.stopping
    assert set(state.answers) == {"pause", "resume", "stop"}


def test_extending_raises_the_epochs() -> None:
    extended = ev.RequestAnswered(request="extend", id="1", accepted=True, message="", epochs=40)
    assert folded([*beginning(3), extended]).epochs == 40


def test_a_failure_keeps_its_traceback_and_tells_it_in_the_log() -> None:
    state = folded([*beginning(), ev.RunFailed(error="it broke", traceback="Traceback:\n  in train\nOops")])
    assert state.status == "failed"
    assert state.failure is not None
    assert [line.text for line in state.log if line.level == "error"] == [
        "failed: it broke",
        "Traceback:",
        "  in train",
        "Oops",
    ]


def test_status_with_and_without_a_living_trainer() -> None:
    state = folded([*beginning(), *epoch(1)])
    assert replace(state, alive=True).status == "running"
    assert replace(state, alive=False, launched=START).status == "lost"
    assert replace(RunState.empty(), alive=False).status == "created"
    assert replace(RunState.empty(), alive=False, launched=START).status == "lost"
    assert replace(RunState.empty(), alive=True, launched=START).status == "running"


def test_a_finished_run_whose_trainer_is_leaving_is_finished_and_one_launched_again_is_running() -> None:
    state = folded(whole_run())
    assert replace(state, alive=True, launched=START).status == "finished"
    assert replace(state, alive=True, launched=state.time + 1).status == "running"


def test_events_of_a_newer_version_are_marked() -> None:
    assert not folded(beginning()).newer
    assert folded([msgspec.structs.replace(run_started(), schema=ev.SCHEMA + 1)]).newer


def test_memory_stays_bounded_over_a_long_run() -> None:
    state = reduce(RunState.empty(), numbered(beginning(20_000)))
    step = 0
    for number in range(1, 2001):
        batches = [
            ev.BatchProgress(epoch=number, batch=b, batches=50, step=step + b, loss=float(step + b))
            for b in range(1, 51)
        ]
        step += 50
        state = reduce(state, [*batches, ev.Warned(message="w"), epoch_finished(number)])
    assert len(state.series["loss"].points) <= CAPACITY
    assert len(state.log) == LOG_LINES
    assert state.log_dropped == len(reduce(RunState.empty(), numbered(beginning())).log) + 4000 - LOG_LINES
    assert state.series["loss"].points[0].low == 1
    assert state.series["loss"].points[-1].high == 100_000
    total = sum(point.n for point in state.series["loss"].points)
    assert total == 100_000
    mean = sum(point.mean * point.n for point in state.series["loss"].points) / total
    assert math.isclose(mean, 50_000.5)


def test_what_is_sampled_while_training_is_kept_over_steps() -> None:
    def progress(step: int, norm: float | None) -> ev.BatchProgress:
        return ev.BatchProgress(epoch=1, batch=step, batches=9, step=step, gradient_norm=norm, learning_rate=0.1)

    def sampled(percent: float | None) -> ev.DeviceSample:
        return ev.DeviceSample(cpu_percent=50, rss=1, ram_used=1, ram_total=2, gpu_percent=percent)

    early = sampled(1.0)  # before training there is no step that it could belong to
    events = [*beginning(), early, progress(3, 2.5), sampled(80.0), sampled(90.0), progress(5, None), sampled(None)]
    series = folded(events).series
    assert [(point.step, point.mean) for point in series["gradient_norm"].points] == [(3, 2.5)]
    assert [(point.step, point.mean) for point in series["gpu_percent"].points] == [(3, 80.0)]
    assert [point.step for point in series["cpu_percent"].points] == [3, 5]


def test_time_worked_leaves_out_the_time_between_lives() -> None:
    first = numbered([*beginning(), *epoch(1), ev.RunStopped(seconds=1, message="")])
    second = numbered([run_started(resumed_from=1), *epoch(2)], first=100, start=START + 10_000)
    state = reduce(reduce(RunState.empty(), first), second)
    worked = (len(first) - 1) + (second[-1].time - second[0].time)
    assert state.seconds(START + 99_999) == worked
    assert replace(state, alive=True, observed=second[-1].time).seconds(second[-1].time + 5) == worked + 5


def test_silence_is_counted_only_where_something_is_expected() -> None:
    state = replace(folded(beginning()), alive=True, observed=100.0)
    assert state.silent_for(140.0) == 40
    assert replace(state, observed=None).silent_for(140.0) == 0
    assert replace(state, alive=False).silent_for(140.0) == 0
    assert replace(folded(whole_run()), alive=True, observed=100.0).silent_for(140.0) == 0
