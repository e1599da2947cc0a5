"""A rewritten file stays the same file, whenever the program dies."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.audio.files.open_file import AudioError
from core.tags import rewrite
from core.tags.journal import TagJournal, journals_folder, read_journal
from core.tags.rewrite import recover, rewriting
from core.tags.write import Undone, undo, write_genres
from tests.support.recordings import tone, write_sound
from tests.support.tagged_files import tagged_files


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (*folder.iterdir(), *journals_folder().glob("*.pending")) if ".tags-" in str(path)]


def test_every_file_is_undone_byte_for_byte(music: Path) -> None:
    journal = TagJournal(music / "journal.jsonl")
    contents = {path: path.read_bytes() for path in tagged_files(music, 48)}
    for path in contents:
        write_genres(path, ["Jazz", "Żal"], journal)
        assert path.read_bytes() != contents[path]
    changes = read_journal(journal.path)
    assert [undo(change) for change in changes] == [Undone.EXACT] * len(contents)
    assert {path: path.read_bytes() for path in contents} == contents
    assert journal.path.stat().st_size < 4000 * len(contents)


def test_hard_links_stay_links(music: Path) -> None:
    path = write_sound(music / "a.flac", tone(0.3, 44_100), 44_100)
    content, inode = path.read_bytes(), path.stat().st_ino
    os.link(path, music / "b.flac")
    journal = TagJournal(music / "journal.jsonl")
    write_genres(path, ["Jazz"], journal)
    assert path.stat().st_ino == inode
    assert (music / "b.flac").read_bytes() == path.read_bytes() != content
    assert undo(read_journal(journal.path)[0]) is Undone.EXACT
    assert (music / "b.flac").read_bytes() == content
    assert leftovers(music) == []


def test_extended_attributes_and_permissions_stay(music: Path) -> None:
    path = music / "sound.wav"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.rating", b"5")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    path.chmod(0o640)
    with rewriting(path) as copy:
        copy.write_bytes(b"new content")
    assert path.read_bytes() == b"new content"
    assert os.getxattr(path, "user.rating") == b"5"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [PermissionError(1, "not permitted"), OSError(22, "invalid argument")])
def test_an_owner_that_cannot_be_kept_is_forgiven(music: Path, error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    path = music / "sound.wav"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "chown", refuse)
    with rewriting(path) as copy:
        copy.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_file_and_its_links_alone(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = music / "sound.wav"
    path.write_bytes(b"old")
    os.link(path, music / "link.wav")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(AudioError, match="no space left"), rewriting(path) as copy:
        copy.write_bytes(b"longer than before")
    assert path.read_bytes() == b"old"
    assert leftovers(music) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from core.tags import rewrite
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(rewrite, sys.argv[2], die)
with rewrite.rewriting(Path(sys.argv[1])) as copy:
    copy.write_bytes(b"new content")
"""


@pytest.mark.parametrize(("step", "links", "content"), [
    ("_take_attributes", 1, b"old"),
    ("sync_file", 1, b"old"),
    ("sync_file", 2, b"old"),
    ("_reserve", 2, b"new content"),
    ("_overwrite", 2, b"new content"),
])  # fmt: skip
def test_the_next_command_puts_in_order_what_a_killed_one_left(
    music: Path, step: str, links: int, content: bytes
) -> None:
    assert callable(getattr(rewrite, step))
    path = music / "sound.wav"
    path.write_bytes(b"old")
    if links == 2:
        os.link(path, music / "link.wav")
    killed = subprocess.run([sys.executable, "-c", KILLED, path, step], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert leftovers(music) != []
    assert recover() == []
    assert leftovers(music) == []
    assert path.read_bytes() == content
    if links == 2:
        assert (music / "link.wav").read_bytes() == content


def test_what_another_command_is_doing_is_left_alone(music: Path) -> None:
    path = music / "sound.wav"
    path.write_bytes(b"old")
    with rewriting(path) as copy:
        assert recover() == []
        assert copy.exists()
        copy.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_a_copy_of_a_file_that_has_gone_is_removed(music: Path) -> None:
    path = music / "sound.wav"
    path.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", KILLED, path, "_take_attributes"], check=False)
    shutil.move(path, music / "moved.wav")
    assert recover() == []
    assert leftovers(music) == []
