"""Errors that a user can cause and fix."""

import errno


class UserError(Exception):
    """An error that the user can fix. Its text is one clear sentence that says what to do."""


class ArchiveError(OSError):
    """An archive, or a file in one, that cannot be read. ``strerror`` says why without naming it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EIO, reason)
        self.reason = reason
