"""Files that outlive a full disk: what cannot be written now is kept and written as soon as there is room."""

import contextlib
import os
import shutil
from pathlib import Path

from core.util.errors import UserError
from core.util.files import open_regular


class AppendFile:
    """An append-only file with one writer. Bytes a full disk did not take stay queued, so no line is ever torn.

    Attributes:
        error: why the last write failed; None when everything is on disk.
        failed_writes: failed attempts since the last one that left nothing queued.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            UserError: the file cannot be opened, or is not a regular file.
        """
        self.path = Path(path)
        try:
            self.descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from error
        self.error: OSError | None = None
        self.failed_writes = 0
        self._queued = bytearray()

    def write(self, data: bytes) -> bool:
        """Appends ``data`` after what is queued; whether all of it is on disk now."""
        self._queued += data
        return self.flush()

    def flush(self) -> bool:
        """Tries to write what is queued; whether nothing is left."""
        while self._queued:
            try:
                written = os.write(self.descriptor, self._queued)
            except OSError as error:
                self.error = error
                self.failed_writes += 1
                return False
            del self._queued[:written]
        self.error = None
        return True

    def close(self) -> None:
        """Writes what is queued if it can be written, syncs the file to disk and closes it."""
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)
        os.close(self.descriptor)


def free_space(path: Path) -> str:
    """Such as ``1.2 GB free on /home``: the free space of the disk that ``path`` is on, and where it is mounted."""
    folder = Path(path).absolute()
    while not os.path.ismount(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        free = float(shutil.disk_usage(folder).free)
    except OSError:
        return f"{folder} cannot be read"
    units = ["B", "kB", "MB", "GB", "TB"]
    while free >= 1000 and len(units) > 1:
        free, units = free / 1000, units[1:]
    return f"{free:.3g} {units[0]} free on {folder}"
