"""Errors that a user can cause and fix."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """An error that the user can fix. The message is one sentence that says what to do."""


class ArchiveError(OSError):
    """An archive or a file in one cannot be read. ``strerror`` says why, without naming it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EIO, reason)
        self.reason = reason


def reason(error: BaseException) -> str:
    """Why something failed, in words: without the number and the file name that an OSError prints."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of `reason`, without a full stop: the messages of some libraries have several."""
    return (reason(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def explained(what: str, kind: type[UserError] = UserError) -> Iterator[None]:
    """Turn an OSError raised in the block into a ``kind`` whose message is ``what`` and the reason.

    >>> with explained("a.csv cannot be written"):        # doctest: +SKIP
    ...     write_atomic(Path("a.csv"), data)
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {reason(error)}") from error
