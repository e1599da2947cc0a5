"""Genres in the tags of real files of every format, read back by another library, safe against kill and undone."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
from mutagen.id3 import ID3, TIT2

from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError
from core.tags.formats import read_genres, set_genres
from core.tags.journal import TagJournal, mark_undone, newest_journal, read_journal
from core.tags.write import Action, Undone, plan, undo, write_genres
from core.util.errors import UserError
from tests.support.recordings import tone, write_sound

RATE = 44_100
Maker = Callable[..., Path]
"""A recording by suffix, and name."""
TAGGED = [".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wav", ".aiff", ".wma"]
NO_PLACE = [".au", ".aac"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("recordings")
    rates = {".opus": 48_000}
    return {
        suffix: write_sound(
            folder / f"sound{suffix}", tone(1, rates.get(suffix, RATE)), rates.get(suffix, RATE)
        ).read_bytes()
        for suffix in (*TAGGED, *NO_PLACE)
    }


@pytest.fixture
def make(tmp_path: Path, recordings: dict[str, bytes]) -> Maker:
    def made(suffix: str, name: str = "sound") -> Path:
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(recordings[suffix])
        return path

    return made


@pytest.fixture
def journal(tmp_path: Path) -> TagJournal:
    return TagJournal(tmp_path / "journal.jsonl")


def genre_by_ffmpeg(path: Path) -> str | None:
    """The genre as FFmpeg's own parsers read it."""
    with av.open(str(path)) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
        return next((value for key, value in tags.items() if key.lower() == "genre"), None)


@pytest.mark.parametrize("suffix", TAGGED)
def test_a_genre_is_written_read_back_and_undone(make: Maker, journal: TagJournal, suffix: str) -> None:
    path = make(suffix)
    content = path.read_bytes()
    before, rate = decode(path)
    write_genres(path, ["Jazz"], journal)
    assert read_genres(path) == ["Jazz"]
    assert genre_by_ffmpeg(path) == "Jazz"
    after, _ = decode(path)
    assert rate and np.array_equal(before, after)

    [change] = read_journal(journal.path)
    assert undo(change) is Undone.EXACT
    assert path.read_bytes() == content
    assert undo(change) is Undone.NOTHING


@pytest.mark.parametrize("suffix", TAGGED)
def test_several_genres_and_the_other_tags(make: Maker, journal: TagJournal, suffix: str) -> None:
    path = make(suffix)
    set_genres(path, ["Old"])
    file = mutagen.File(path)
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text="A title"))
    else:
        file.tags[{".m4a": "\xa9nam", ".wma": "Title"}.get(suffix, "title")] = "A title"
    file.save()

    write_genres(path, ["Jazz", "Blüs"], journal)
    assert read_genres(path) == ["Jazz", "Blüs"]
    assert "A title" in str(mutagen.File(path).tags)
    [change] = read_journal(journal.path)
    assert undo(change) is Undone.EXACT
    assert read_genres(path) == ["Old"]
    assert "A title" in str(mutagen.File(path).tags)


@pytest.mark.parametrize("suffix", NO_PLACE)
def test_formats_without_tags_are_refused(make: Maker, journal: TagJournal, suffix: str) -> None:
    path = make(suffix)
    content = path.read_bytes()
    with pytest.raises(AudioError, match="files cannot hold tags"):
        plan(path, ["Jazz"], force=False)
    with pytest.raises(AudioError, match="files cannot hold tags"):
        write_genres(path, ["Jazz"], journal)
    assert path.read_bytes() == content
    assert not journal.path.exists()


def test_what_is_planned(make: Maker) -> None:
    path = make(".mp3")
    assert plan(path, ["Jazz"], force=False).action is Action.WRITE
    set_genres(path, ["Rock"])
    content = path.read_bytes()
    kept = plan(path, ["Jazz"], force=False)
    assert (kept.action, kept.before, kept.after) == (Action.KEEP, ["Rock"], ["Rock"])
    forced = plan(path, ["Jazz"], force=True)
    assert (forced.action, forced.before, forced.after) == (Action.WRITE, ["Rock"], ["Jazz"])
    assert plan(path, ["Rock"], force=True).action is Action.SAME
    assert path.read_bytes() == content


def test_permissions_stay_and_a_link_stays_a_link(make: Maker, journal: TagJournal, tmp_path: Path) -> None:
    path = make(".flac")
    path.chmod(0o640)
    link = tmp_path / "link.flac"
    link.symlink_to(path)
    write_genres(link, ["Jazz"], journal)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_genres(path) == ["Jazz"]
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_reported_and_left_alone(make: Maker, journal: TagJournal) -> None:
    path = make(".flac")
    path.chmod(0o444)
    with pytest.raises(AudioError, match="no permission"):
        write_genres(path, ["Jazz"], journal)
    assert read_genres(path) == []


def test_a_damaged_file_is_refused(make: Maker, tmp_path: Path) -> None:
    path = make(".flac")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(AudioError, match="tags cannot be read"):
        plan(path, ["Jazz"], force=False)
    with pytest.raises(AudioError, match=f"^{re.escape(str(path))}: its tags cannot be read"):
        write_genres(path, ["Jazz"], TagJournal(tmp_path / "journal.jsonl"))


@pytest.mark.parametrize("error", [KeyError(87), IndexError("x"), RecursionError(), ZeroDivisionError("division")])
def test_any_error_of_the_tag_library_is_one_sentence(
    make: Maker, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise error

    path = make(".wma")
    monkeypatch.setattr(mutagen, "File", fail)
    with pytest.raises(AudioError, match=f"its tags cannot be read .{type(error).__name__}"):
        plan(path, ["Jazz"], force=False)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        plan(tmp_path / "gone.flac", ["Jazz"], force=False)


def test_other_genres_since_then_are_not_undone(make: Maker, journal: TagJournal) -> None:
    path = make(".ogg")
    write_genres(path, ["Jazz"], journal)
    set_genres(path, ["Polka"])
    with pytest.raises(AudioError, match="now has other genres"):
        undo(read_journal(journal.path)[0])
    assert read_genres(path) == ["Polka"]


def test_a_file_that_changed_otherwise_gets_its_genre_back_and_it_is_said(make: Maker, journal: TagJournal) -> None:
    path = make(".flac")
    set_genres(path, ["Old"])
    write_genres(path, ["Jazz"], journal)
    file = mutagen.File(path)
    file.tags["title"] = "Corrected"
    file.save()
    assert undo(read_journal(journal.path)[0]) is Undone.GENRE_ONLY
    assert read_genres(path) == ["Old"]
    assert mutagen.File(path).tags["title"] == ["Corrected"]


def test_a_journal_of_the_earlier_version_restores_the_genre(make: Maker, journal: TagJournal) -> None:
    path = make(".mp3")
    set_genres(path, ["Jazz"])
    name = base64.b64encode(os.fsencode(path)).decode()
    journal.path.write_text(
        f'{{"path":"sound.mp3","path_bytes":"{name}","before":["Rock"],"after":["Jazz"],"had_tags":true,"time":1.0}}\n'
    )
    assert undo(read_journal(journal.path)[0]) is Undone.GENRE_ONLY
    assert read_genres(path) == ["Rock"]


def test_a_journal_that_cannot_be_written_leaves_the_file_alone(make: Maker, tmp_path: Path) -> None:
    path = make(".flac")
    content = path.read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="no tag is changed"):
        write_genres(path, ["Jazz"], TagJournal(tmp_path / "file" / "journal.jsonl"))
    assert path.read_bytes() == content


def test_a_journal_cut_off_anywhere_is_read_up_to_there(make: Maker, journal: TagJournal) -> None:
    paths = [make(".flac", name) for name in ("one", os.fsdecode(b"caf\xe9"), "new\nline")]
    for path in paths:
        write_genres(path, ["Jazz"], journal)
    whole = journal.path.read_bytes()
    assert [change.path for change in read_journal(journal.path)] == paths
    for length in range(len(whole)):
        journal.path.write_bytes(whole[:length])
        assert [change.path for change in read_journal(journal.path)] == paths[: whole[:length].count(b"\n")]
    journal.path.write_bytes(b"something else\n")
    with pytest.raises(UserError, match="not a journal of tags"):
        read_journal(journal.path)


def test_the_newest_journal_that_is_not_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(UserError, match="nothing to undo"):
        newest_journal()
    folder = tmp_path / "genre-tui" / "tags"
    folder.mkdir(parents=True)
    for number, name in enumerate(("b.jsonl", "a.jsonl")):
        (folder / name).touch()
        os.utime(folder / name, (number, number))
    assert newest_journal().name == "a.jsonl"
    mark_undone(newest_journal())
    assert newest_journal().name == "b.jsonl"


WRITER = """
import sys
from pathlib import Path
from core.tags.journal import TagJournal
from core.tags.write import write_genres
journal = TagJournal(Path(sys.argv[2]))
print("ready", flush=True)
for n in range(10_000):
    write_genres(Path(sys.argv[1]), [f"genre {n}"], journal)
"""


def test_a_killed_writer_leaves_a_whole_file_and_a_journal_that_knows_it(make: Maker, journal: TagJournal) -> None:
    path = make(".flac")
    samples, _ = decode(path)
    seen = size = 0
    for delay in (0.02, 0.05, 0.09, 0.14):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path, journal.path], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        deadline = time.monotonic() + 60
        while not journal.path.exists() or journal.path.stat().st_size <= size:
            assert writer.poll() is None and time.monotonic() < deadline, "the writer writes nothing"
            time.sleep(0.005)
        time.sleep(delay)  # anywhere in the middle of its work
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert np.array_equal(decode(path)[0], samples)
        changes = read_journal(journal.path)
        assert len(changes) > seen
        seen, size = len(changes), journal.path.stat().st_size
        assert read_genres(path) in (changes[-1].before, changes[-1].after)
