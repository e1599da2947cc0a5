"""A snapshot and what was appended since lead to the state that the whole journal leads to."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs import folder
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.events import Event
from core.runs.journal.snapshot import NAME, load_snapshot
from core.runs.journal.state import RunState
from tests.support.event_sequences import whole_run
from tests.support.journal_damage import damaged, lines_of

LINES = lines_of(whole_run(4))
SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True)
def every_journal_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "WORTHWHILE", 1)


def opened(run: RunFolder, *, whole: bool = False) -> RunState:
    """What a new viewer shows; with ``whole`` of every line of the journal, without a snapshot."""
    reader = RunReader(run, on_event=(lambda event: None) if whole else None)
    reader.poll()
    return replace(reader.state, observed=None)


@SETTINGS
@given(content=damaged(LINES), share=st.floats(0, 1), more=damaged(LINES))
def test_opening_again_shows_what_reading_everything_shows(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, share: float, more: bytes
) -> None:
    run = RunFolder(tmp_path_factory.mktemp("run"))
    cut = round(share * len(content))
    for so_far in (content[:cut], content, content + more):
        run.journal_path.write_bytes(so_far)
        for _ in range(2):
            assert repr(opened(run)) == repr(opened(run, whole=True))


@SETTINGS
@given(content=damaged(LINES), other=damaged(LINES), end=st.integers(0, 4000))
def test_another_journal_in_its_place_is_read_anew(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, other: bytes, end: int
) -> None:
    """Damaged since, cut, or replaced, at whatever size."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    run.journal_path.write_bytes(content)
    opened(run)
    for changed in (other, content[: -end or None], content[:end] + b"#" + content[end + 1 :], content):
        run.journal_path.write_bytes(changed)
        assert repr(opened(run)) == repr(opened(run, whole=True))


def test_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    run.journal_path.write_bytes(b"\n".join(LINES) + b"\n")
    first = opened(run)
    taken: list[int] = []

    def counted(state: RunState, events: list[Event]) -> RunState:
        taken.append(len(events))
        return state

    monkeypatch.setattr(folder, "reduce", counted)
    assert repr(opened(run)) == repr(first)
    assert taken == []
    with run.journal_path.open("ab") as journal:
        journal.write(LINES[0] + b"\n" + LINES[1])
    opened(run)
    assert taken == [1]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x80", b"\x86\xa4code\xa0"])
def test_a_damaged_snapshot_is_none(tmp_path: Path, content: bytes) -> None:
    run = RunFolder(tmp_path)
    run.journal_path.write_bytes(b"\n".join(LINES) + b"\n")
    first = opened(run)
    (tmp_path / NAME).write_bytes(content)
    assert load_snapshot(run.journal_path) is None
    assert repr(opened(run)) == repr(first)


def test_it_holds_for_the_code_that_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    run.journal_path.write_bytes(b"\n".join(LINES) + b"\n")
    opened(run)
    assert load_snapshot(run.journal_path) is not None
    monkeypatch.setattr("core.runs.journal.snapshot._code", lambda: "another")
    assert load_snapshot(run.journal_path) is None


def test_readers_that_skip_events_or_show_each_take_none(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.journal_path.write_bytes(b"\n".join(LINES) + b"\n")
    RunReader(run, skip=frozenset({"device_sample"})).poll()
    opened(run, whole=True)
    assert not (tmp_path / NAME).exists()
