import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.util.atomic import open_output, output_path, replacing, write_atomic, write_output
from tests.support.waiting import wait_until


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two", sync=False)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    write_atomic(path, b"former")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", b"")
    finally:
        os.umask(former)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_permissions_can_be_asked_for(tmp_path: Path) -> None:
    write_atomic(tmp_path / "secret", b"", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_very_long_name_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250 + ".csv")
    write_atomic(path, b"one")
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("name", ["new", "there"])
def test_an_output_appears_when_it_is_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").write_bytes(b"former")
    (tmp_path / "there").chmod(0o640)
    with open_output(tmp_path / name, "w", newline="") as file:
        file.write("über\n")
        file.flush()
        assert (tmp_path / "there").read_bytes() == b"former"
        assert not (tmp_path / "new").exists()
    assert (tmp_path / name).read_bytes() == "über\n".encode()
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o640


def test_an_output_that_fails_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"former")
    with pytest.raises(RuntimeError), open_output(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"former"]


@pytest.mark.parametrize("target", ["target", "absent"])
def test_an_output_goes_through_a_symlink_to_its_target(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "target").write_bytes(b"former")
    link, through = tmp_path / "link", tmp_path / "through"
    through.symlink_to(f"elsewhere/{target}")
    link.symlink_to("through")
    write_output(link, b"new")
    assert link.is_symlink() and through.is_symlink()
    assert (tmp_path / "elsewhere" / target).read_bytes() == b"new"
    assert {p.name for p in tmp_path.iterdir()} == {"elsewhere", "link", "through"}


@pytest.mark.parametrize("write", ["stream", "path"])
def test_an_output_into_a_fifo_reaches_its_reader(tmp_path: Path, write: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(fifo.read_bytes)
        if write == "stream":
            write_output(fifo, b"content")
        else:
            with output_path(fifo) as path:
                path.write_bytes(b"content")
        assert read.result(10) == b"content"
    assert fifo.is_fifo()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_an_output_into_a_device_leaves_the_device(tmp_path: Path, device: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(device)
    for path in (Path(device), link):
        with contextlib.nullcontext() if device == "/dev/null" else pytest.raises(OSError, match="No space"):
            write_output(path, b"content")
    assert Path(device).is_char_device()
    assert link.is_symlink()


def test_an_output_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_output(tmp_path, b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        write_output(tmp_path / "loop", b"")
    with pytest.raises(FileNotFoundError):
        write_output(tmp_path / "absent" / "file", b"")


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "link"])
def test_an_output_into_an_open_descriptor_joins_what_else_is_printed(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    program = (
        "import os, sys; from pathlib import Path; from core.util.atomic import write_output; "
        "os.write(1, b'before '); write_output(Path(sys.argv[1]), b'output '); os.write(1, b'after')"
    )
    with (tmp_path / "printed").open("wb") as out:
        subprocess.run([sys.executable, "-c", program, tmp_path / name], stdout=out, check=True)
    assert (tmp_path / "printed").read_bytes() == b"before output after"


WRITER = """
import sys
from pathlib import Path
from core.util.atomic import write_atomic
for n in range(100_000):
    write_atomic(Path(sys.argv[1]), bytes([n % 256]) * 100_000)
"""


def test_a_reader_never_sees_a_part_even_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        wait_until(path.exists, "the file")
        for _ in range(50):
            data = path.read_bytes()
            assert len(data) == 100_000
            assert len(set(data)) == 1
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    data = path.read_bytes()
    assert len(data) == 100_000
    assert len(set(data)) == 1
