import errno
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import msgspec
import pytest

from core.runs.journal import events as ev
from core.runs.journal.journal import BLOCK, Journal, JournalReader
from tests.support.event_sequences import epoch_finished, run_started, scanned, whole_run, write_journal
from tests.support.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_what_is_written_is_read(path: Path) -> None:
    written = write_journal(path, whole_run())
    assert JournalReader(path).read() == written
    assert [event.seq for event in written] == list(range(len(written)))
    assert all(event.time > 0 for event in written)


def test_a_journal_cut_at_every_byte_gives_the_whole_lines_and_then_the_rest(path: Path, tmp_path: Path) -> None:
    written = write_journal(path, [run_started(), ev.Warned(message="späť ★"), epoch_finished(1), scanned()])
    whole = path.read_bytes()
    cut = tmp_path / "cut.jsonl"
    for length in range(len(whole) + 1):
        cut.write_bytes(whole[:length])
        reader = JournalReader(cut)
        first = reader.read()
        assert first == written[: whole[:length].count(b"\n")]
        cut.write_bytes(whole)
        assert first + reader.read() == written
        assert reader.bad_lines == 0


def test_a_journal_that_grows_byte_by_byte_gives_each_event_once(path: Path, tmp_path: Path) -> None:
    written = write_journal(path, whole_run(1))
    growing = tmp_path / "growing.jsonl"
    reader, read = JournalReader(growing), []
    assert reader.read() == []
    with growing.open("ab", buffering=0) as file:
        for byte in path.read_bytes():
            file.write(bytes([byte]))
            read += reader.read()
    assert read == written


def test_two_readers_do_not_disturb_each_other(path: Path) -> None:
    journal = Journal(path)
    early, late = JournalReader(path), JournalReader(path)
    first = journal.write(ev.Warned(message="one"))
    assert early.read() == [first]
    second = journal.write(ev.Warned(message="two"))
    assert early.read() == [second]
    assert late.read() == [first, second]
    assert early.read() == late.read() == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"{",
        b"null",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b'{"kind":"warned"}',
        b'{"kind":"warned","message":7}',
        b'{"kind":7}',
        b'{"message":"no kind"}',
        b'{"kind":"warned","message":"\xff"}',
        b"[" * 10_000,
        b"x" * (2 * BLOCK),
    ],
    ids=lambda garbage: repr(garbage[:40]),
)
def test_garbage_is_counted_and_passed_over(path: Path, garbage: bytes) -> None:
    journal = Journal(path)
    first = journal.write(ev.Warned(message="before"))
    with path.open("ab") as file:
        file.write(garbage + b"\n\n")
    second = journal.write(ev.Warned(message="after"))
    reader = JournalReader(path)
    assert reader.read() == [first, second]
    assert reader.bad_lines == 1


def test_a_kind_from_a_newer_version_is_skipped(path: Path) -> None:
    journal = Journal(path)
    with path.open("ab") as file:
        file.write(b'{"kind":"moon_phase","schema":2,"seq":0,"time":1.0,"phase":"full"}\n')
    known = journal.write(ev.Warned(message="known"))
    reader = JournalReader(path)
    assert reader.read() == [known]
    assert (reader.unknown_kinds, reader.bad_lines) == (1, 0)


def test_a_newer_schema_is_read_where_it_fits_and_no_error_where_it_does_not(path: Path) -> None:
    path.write_bytes(
        b'{"kind":"warned","schema":2,"seq":0,"time":1.0,"message":"added a field","colour":"red"}\n'
        b'{"kind":"warned","schema":2,"seq":1,"time":2.0,"message":{"text":"now an object"}}\n'
    )
    reader = JournalReader(path)
    assert [(event.schema, event.seq) for event in reader.read()] == [(2, 0)]
    assert (reader.unknown_kinds, reader.bad_lines) == (1, 0)


def test_a_lost_line_loses_one_event(path: Path) -> None:
    written = write_journal(path, whole_run())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5] + lines[6:]))
    assert JournalReader(path).read() == written[:5] + written[6:]


def test_pieces_come_to_the_whole_and_an_empty_one_is_the_end(path: Path) -> None:
    written = write_journal(path, [ev.Warned(message="m" * 1000) for _ in range(300)])
    with path.open("ab") as file:
        file.write((b"garbage" * 200 + b"\n") * 300)
    written += write_journal(path, [ev.Warned(message="end")])
    reader, read, pieces = JournalReader(path), [], 0
    while events := reader.read(BLOCK):
        read += events
        pieces += 1
    assert read == written
    assert pieces > 3


def test_skipped_kinds_are_left_out_except_for_the_last_of_a_row(path: Path) -> None:
    sample = ev.DeviceSample(cpu_percent=1.0, rss=1, ram_used=1, ram_total=1)
    written = write_journal(path, [sample, ev.Warned(message="w"), sample, sample])
    assert JournalReader(path, skip=frozenset({"device_sample"})).read() == [written[0], written[1], written[3]]


def test_a_journal_that_was_put_back_is_read_again(path: Path) -> None:
    written = write_journal(path, whole_run())
    reader = JournalReader(path)
    reader.read()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    assert reader.read() == written[:3]


@pytest.mark.parametrize("cut", [1, 20, 10_000])
def test_a_writer_continues_after_half_a_line(path: Path, cut: int) -> None:
    before = write_journal(path, [ev.Warned(message="whole"), ev.Warned(message="w" * 200_000)])
    with path.open("ab") as file:
        file.truncate(path.stat().st_size - cut)
    after = write_journal(path, [ev.Warned(message="goes on")])
    reader = JournalReader(path)
    read = reader.read()
    if cut == 1:  # only the newline was missing
        assert read == before + after
        assert after[0].seq == 2
    else:
        assert read == before[:1] + after
        assert reader.bad_lines == 1
        assert after[0].seq == 1


def test_a_new_life_counts_on_past_kinds_it_does_not_know(path: Path) -> None:
    path.write_bytes(b'{"kind":"moon_phase","schema":2,"seq":41,"time":1.0}\nnonsense\n')
    assert write_journal(path, [ev.Warned(message="x")])[0].seq == 42


def test_threads_write_whole_lines_with_numbers_without_gaps(path: Path) -> None:
    journal = Journal(path)
    threads = [
        threading.Thread(target=lambda: [journal.write(ev.Warned(message="x" * 300)) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.seq for event in JournalReader(path).read()] == list(range(800))


def test_a_loss_that_is_not_finite_is_read_as_missing(path: Path) -> None:
    write_journal(path, [msgspec.structs.replace(epoch_finished(1), val_loss=float("nan"), train_loss=float("inf"))])
    (event,) = JournalReader(path).read()
    assert isinstance(event, ev.EpochFinished)
    assert event.val_loss is None
    assert event.train_loss is None


@pytest.mark.parametrize("room", [0, 1, 10, 200])
def test_a_full_disk_delays_events_and_loses_none(path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    journal = Journal(path)
    first = journal.write(ev.Warned(message="before"))
    real, left = os.write, room

    def full(descriptor: int, data: bytes) -> int:
        nonlocal left
        written = real(descriptor, bytes(data[:left])) if left else 0
        left -= written
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    monkeypatch.setattr(os, "write", full)
    kept = [journal.write(ev.Warned(message=f"kept {i}")) for i in range(3)]
    journal.write(ev.BatchProgress(epoch=1, batch=1, batches=2, step=1))  # the next one will say as much
    assert journal.file.error is not None and journal.file.failed_writes > 0
    reader = JournalReader(path)
    early = reader.read()
    monkeypatch.undo()
    last = journal.write(ev.Warned(message="after"))
    assert journal.file.error is None
    read = early + reader.read()
    assert [event.seq for event in read] == list(range(5))
    assert read == [first, *kept, last] and reader.bad_lines == 0
    assert JournalReader(path).read() == read


@pytest.mark.parametrize("room", [0, 10])
def test_a_full_disk_at_the_end_leaves_a_journal_that_continues(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    journal = Journal(path)
    first = journal.write(ev.Warned(message="kept"))
    real, left = os.write, room

    def full(descriptor: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written, left = real(descriptor, bytes(data[:left])), 0
        return written

    monkeypatch.setattr(os, "write", full)
    journal.write(ev.Warned(message="lost"))
    journal.close()
    monkeypatch.undo()
    again = Journal(path)
    second = again.write(ev.Warned(message="kept, too"))
    again.close()
    assert JournalReader(path).read() == [first, second]
    assert second.seq == 1


def test_a_name_that_is_not_utf8_is_written_readably(path: Path) -> None:
    mistake = ev.Misclassified(path="caf\udce9.wav", genre="a\udcff", predicted="b", probability=0.5)
    scanned = ev.DatasetScanned(
        genres=["a\udcff"],
        clips={"a\udcff": 1},
        parts={},
        hours=1.0,
        excluded=[ev.ExcludedClip(path="caf\udce9.wav", reason="is silent")],
    )
    journal = Journal(path)
    written = [journal.write(scanned), journal.write(with_mistakes([mistake]))]
    journal.close()
    assert JournalReader(path).read() == written
    assert isinstance(written[0], ev.DatasetScanned) and written[0].excluded[0].path == "caf\ufffd.wav"
    assert written[0].clips == {"a\ufffd": 1}


def with_mistakes(mistakes: list[ev.Misclassified]) -> ev.TestFinished:
    return ev.TestFinished(
        loss=1.0, accuracy=0.5, macro_f1=0.5, calibration_error=None, report={}, report_text="", confusion=[],
        genres=[], best_epoch=1, misclassified=mistakes,
    )  # fmt: skip


WRITER = """
import sys
import time
from pathlib import Path
from core.runs.journal.events import Warned
from core.runs.journal.journal import Journal
journal = Journal(Path(sys.argv[1]))
for _ in range(10_000):
    journal.write(Warned(message="x" * 5000))
    time.sleep(0.0005)
"""


def test_a_writer_that_is_killed_again_and_again_leaves_a_journal_without_gaps(path: Path) -> None:
    lives = []
    for _ in range(3):
        reader = JournalReader(path)
        lives.append(len(reader.read()))
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        try:
            wait_until(partial(reader.read, BLOCK), "an event")
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    assert lives[0] == 0 < lives[1] < lives[2]
    read = JournalReader(path).read()
    assert [event.seq for event in read] == list(range(len(read)))


def test_a_reader_does_not_run_after_a_writer_that_is_faster(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    first = journal.write(ev.Warned(message="w" * BLOCK))

    def decode_while_it_grows(line: bytes) -> ev.AnyEvent | None:
        journal.write(ev.Warned(message="w" * BLOCK))
        return ev.decode(line)

    monkeypatch.setattr("core.runs.journal.journal.decode", decode_while_it_grows)
    reader = JournalReader(path)
    assert reader.read() == [first]
    assert [event.seq for event in reader.read()] == [1]


def test_a_hole_of_terabytes_is_skipped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.journal.journal.LONGEST_LINE", 1 << 20)
    written = write_journal(path, whole_run())
    with path.open("ab") as file:
        file.truncate(1 << 41)
    reader = JournalReader(path)
    assert reader.read() == written
    journal = Journal(path)
    more = journal.write(ev.Warned(message="more"))
    journal.close()
    assert reader.read() == [more]
    assert JournalReader(path).read() == [*written, more]
    assert reader.position == path.stat().st_size


def test_a_hole_within_a_line_damages_it(path: Path) -> None:
    line = ev.encode(ev.Warned(message="text"))
    with path.open("wb") as file:
        file.write(line[:4])
        file.seek(1 << 20)
        file.write(line[4:] + b"\n" + line + b"\n")
    reader = JournalReader(path)
    assert len(reader.read()) == 1
    assert reader.bad_lines == 1
