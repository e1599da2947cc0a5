"""What is wrong with an archive, or with a file in one."""

import errno

DEEPEST = 100
"""Folders inside each other that are searched, on disk or in an archive."""


class ArchiveError(OSError):
    """An archive, or a file in one, that cannot be read. ``strerror`` says why without naming it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EIO, reason)
        self.reason = reason
