import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.util.atomic import replacing, write_atomic
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
