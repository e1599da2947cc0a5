"""Files that are whole or absent, whenever they are read and whenever the writer dies."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` to write to; on success it is synced and takes the place of ``path``.

    When the block raises, the temporary file is removed and ``path`` is as it was. Without ``sync`` a power cut may
    still leave a damaged file: for caches only.
    """
    path = Path(path)
    # The suffix is kept because many writers (PNG, for one) choose their format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if sync:
            _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        _sync(path.parent)


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Writes ``data`` to ``path`` so that a reader sees the old content or the new, never a part."""
    with replacing(path, sync=sync) as temporary:
        temporary.write_bytes(data)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # mkstemp makes files that only their owner reads; the umask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
