"""Whatever happens to a journal, every reader can show what is left of it."""

import json
import math
import random
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal import journal as journal_module
from core.runs.journal.history import history_csv, history_json
from core.runs.journal.journal import JournalReader
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from core.runs.notices import Notice, Webhook, post_for
from core.runs.summary import QUIET, summarise
from tests.support.event_sequences import beginning, epoch, epoch_finished, numbered, scanned, whole_run, write_journal

LINES = [json.loads(ev.encode(event)) for event in numbered(whole_run())]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    10**18,
    1e308,
    -1e308,
    "",
    "jazz",
    "\x1b[2J",
    [],
    [[]],
    {},
    {"a": []},
    [None] * 4,
]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in list(keys) for place in ((value, key), *_places(value[key]))]


def mutated(seed: int) -> bytes:
    chance = random.Random(seed)
    lines: list[Any] = json.loads(json.dumps(LINES))
    for _ in range(chance.randint(1, 4)):
        container, key = chance.choice(_places(lines))
        match chance.randrange(4):
            case 0:
                del container[key]
            case 1:
                container[key] = deepcopy(chance.choice(ODD))
            case 2:
                container[key] = deepcopy(chance.choice(chance.choice(_places(LINES))[:1]))
            case _ if isinstance(container, list):
                container.insert(key, container[key])
        if not lines:
            break
    data = bytearray(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    for _ in range(chance.choice((0, 0, 1, 3))):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def check(state: RunState) -> None:
    """What everybody who shows a state relies on."""
    json.dumps(state.as_dict(), allow_nan=False)
    assert history_csv(state.history).count("\n") == len(state.history) + 1
    json.loads(history_json(state.history))
    json.dumps(post_for(Webhook("http://example.org"), Notice("finished", "finished"), state).body)
    summary = summarise(state, Path("/runs/a"), 0.0)
    assert math.isfinite(summary.seconds)
    time.localtime(state.started or 0.0)
    assert all(time.localtime(line.time) for line in state.log)
    assert [row.epoch for row in state.history] == sorted({row.epoch for row in state.history})
    genres = len(state.genres)
    assert state.clips.keys() <= set(state.genres)
    if state.validation is not None:
        assert len(state.validation.genre_accuracy) == genres
        assert [len(row) for row in state.validation.confusion] in ([genres] * genres, [])
    if state.test is not None:
        size = len(state.test.genres)
        assert [len(row) for row in state.test.confusion] == [size] * size
    assert all(isinstance(state.recipe.get(group, {}), dict) for group in ("optimiser", "split", "front_end"))


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_mutation_of_a_journal_can_be_shown(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    run.journal_path.write_bytes(mutated(seed))
    for skip in (frozenset[str](), QUIET):
        reader = RunReader(run, skip=skip)
        reader.poll()
        check(reader.state)


def test_damage_is_counted_and_the_rest_is_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    written = write_journal(run.journal_path, [*beginning(), *epoch(1), *epoch(2)])
    lines = run.journal_path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"clips":{"blues"', b'"clips":{"polka"')
    lines[5] = b"\x00" * 20 + b"\n"
    run.journal_path.write_bytes(b"".join(lines))
    state = run.state()
    assert state.damaged == 2
    assert state.genres == [] and state.validation is None
    assert [row.epoch for row in state.history] == [1, 2]
    assert state.seq == written[-1].seq


def test_lengths_that_disagree_leave_the_epoch_in_the_table() -> None:
    longer = ev.EpochFinished(**{**_fields(epoch_finished(1)), "genre_accuracy": [0.5] * 4})
    state = reduce(RunState.empty(), numbered([*beginning(), longer]))
    assert (len(state.history), state.validation, state.damaged) == (1, None, 1)


def test_one_absurd_number_does_not_hide_what_follows() -> None:
    events = numbered([*beginning(), *epoch(1), *epoch(2)])
    for field in ({"seq": 10**9}, {"time": 9e10}):
        damaged = [*events[:5], ev.Warned(message="w", **({"seq": 5, "time": events[5].time} | field)), *events[6:]]
        assert len(reduce(RunState.empty(), damaged).history) == 2


def test_left_out_files_are_summarised_above_a_thousand() -> None:
    excluded = [ev.ExcludedClip(path=f"{i}.mp3", reason="silent" if i % 3 else f"odd {i}") for i in range(5000)]
    event = ev.DatasetScanned(**{**_fields(scanned()), "excluded": excluded}).shortened()
    assert len(event.excluded) == ev.MOST_EXCLUDED
    assert sum(event.more_excluded.values()) == 4000
    assert len(event.more_excluded) <= ev.MOST_REASONS + 1
    state = reduce(RunState.empty(), numbered([ev.DatasetScanned(**{**_fields(event), "excluded": excluded})]))
    assert len(state.excluded) == ev.MOST_EXCLUDED  # an older journal names all of them
    assert len(ev.encode(event)) < 100_000


def test_a_long_line_is_read_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    seconds = []
    for size in (4, 32):
        path.write_bytes(ev.encode(ev.Warned(message="x" * (size << 20), seq=0)))
        began = time.perf_counter()
        (event,) = JournalReader(path).read()
        seconds.append(time.perf_counter() - began)
        assert isinstance(event, ev.Warned) and len(event.message) == size << 20
    assert seconds[1] < 3.0  # by growing what was read so far, it took half a minute


def test_a_line_above_the_limit_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LONGEST_LINE", 200_000)
    path = tmp_path / "events.jsonl"
    reader = JournalReader(path)
    path.write_bytes(ev.encode(ev.Warned(message="a", seq=0)) + b"x" * 150_000)
    assert len(reader.read()) == 1
    with path.open("ab") as file:
        file.write(b"x" * 150_000 + b"\n" + ev.encode(ev.Warned(message="b", seq=1)))
    assert [event.seq for event in reader.read()] == [1]
    assert reader.bad_lines == 1


def _fields(event: ev.Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
