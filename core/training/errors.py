"""Exceptions that end training before its last epoch."""

from core.util.errors import UserError


class Diverged(UserError):
    """The loss or a weight is NaN or infinite."""


class RunFolderGone(UserError):
    """The run folder was deleted, or moved to an unknown path."""


class StopRequested(Exception):
    """A stop was requested; checkpoint, evaluation and report follow."""


class EndedAtOnce(BaseException):
    """A second signal: no checkpoint and no report. A `BaseException`, so that no handler catches it by accident."""


_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "failed to map segment",  # while loading a library
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that memory of the machine or a GPU ran out; PyTorch may raise a RuntimeError for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OUT_OF_MEMORY)
