import os
import socket
from pathlib import Path

import msgspec
import pytest

from core.util.files import open_regular, read_input, read_json, read_small


def test_a_small_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert read_small(path, limit=5) == b"12345"
    with pytest.raises(OSError, match="larger than 0 MB"):
        read_small(path, limit=4)


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read_small(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "fifo", os.O_WRONLY)


def test_sockets_devices_and_folders_are_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "socket", Path("/dev/zero"), tmp_path):
            with pytest.raises(OSError, match="not a regular file"):
                read_small(path)


def test_an_endless_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 16 MB"):
        read_small(tmp_path / "sparse")


def test_an_input_may_be_a_pipe_but_not_endless() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"content")
    os.close(writer)
    assert read_input(Path(f"/dev/fd/{reader}")) == b"content"
    os.close(reader)
    with pytest.raises(OSError, match="larger than 16 MB"):
        read_input(Path("/dev/zero"))


class Kept(msgspec.Struct):
    count: int = 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"count": "one"}', b"\xff", b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
)
def test_json_that_cannot_be_used_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept.json").write_bytes(content)
    assert read_json(tmp_path / "kept.json", Kept) is None
    assert read_json(tmp_path / "missing.json", Kept) is None
    (tmp_path / "kept.json").write_bytes(b'{"count": 3, "of a later version": 1}')
    assert read_json(tmp_path / "kept.json", Kept) == Kept(3)
