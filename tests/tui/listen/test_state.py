"""What the Listen screen knows, without a screen."""

from core.audio.live.source import State
from core.inference.live_events import Level, SourceChanged
from core.inference.types import Reason
from core.inference.workers.live_worker import Failed, Saved
from core.util.jsonl_process import Refused
from tests.support import example_sound as made_up
from tui.listen.state import ListenState


def state_of(*answers: object) -> ListenState:
    state = ListenState()
    for number, answer in enumerate(answers):
        state.take(answer, 1000.0 + number)  # type: ignore[arg-type]
    return state


def level(seconds: float, peak_db: float = -20.0, clipped: int = 0) -> Level:
    return Level(seconds=seconds, peak_db=peak_db, level_db=-30.0, clipped=clipped, filling=1.0, columns=[b"ab"])


def test_the_history_grows_only_when_the_verdict_changes() -> None:
    state = state_of(
        made_up.prediction(3, "jazz"),
        made_up.prediction(3.4, "jazz"),
        made_up.prediction(3.8, None, 0.3, Reason.SILENCE),
        made_up.prediction(4.2, None, 0.3, Reason.SILENCE),
        made_up.prediction(4.6, None, 0.3),
        made_up.prediction(5.0, "jazz"),
    )
    assert [(v.since, v.genre, v.reason) for v in state.history] == [
        (1000, "jazz", None),
        (1002, None, Reason.SILENCE),
        (1004, None, Reason.UNCLEAR),
        (1005, "jazz", None),
    ]


def test_the_highest_peak_is_held_for_a_while() -> None:
    state = state_of(level(1, -3), level(1.5, -20), level(2.4, -21))
    assert state.peak_db == -3
    state.take(level(2.6, -22), 0)
    assert state.peak_db == -22


def test_clipping_is_pointed_out_for_two_seconds() -> None:
    state = state_of(level(1, 0, clipped=5))
    assert state.clipping
    state.take(level(2.9), 0)
    assert state.clipping
    state.take(level(3.1), 0)
    assert not state.clipping


def test_a_new_sound_begins_an_empty_picture_and_keeps_the_history() -> None:
    state = state_of(level(8), level(8.1), made_up.prediction(8, "jazz"), level(0.1))
    assert len(state.columns) == state.columns_seen == 1
    assert state.prediction is None
    assert len(state.history) == 1


def test_a_source_that_cannot_be_opened_is_trouble_until_it_can() -> None:
    state = state_of(made_up.opened(), level(1), Failed("it has gone"))
    assert state.trouble == "it has gone"
    assert state.level is None
    state.take(made_up.opened(), 0)
    assert state.trouble == ""


def test_answers_to_the_user_are_shown_once() -> None:
    state = state_of(Saved("/x.wav", 60.0), Refused("the disk is full"))
    assert [type(news) for news in state.news] == [Saved, Refused]


def test_hearing_is_having_sound_and_not_waiting_for_it() -> None:
    waiting = SourceChanged(state=State.WAITING, text="", overruns=0, skipped=0)
    assert not state_of(made_up.receiving()).is_receiving
    assert state_of(made_up.receiving(), level(1)).is_receiving
    assert not state_of(made_up.receiving(), level(1), waiting).is_receiving
