"""The ways in which a training ends before its last epoch."""

from core.util.errors import UserError


class Diverged(UserError):
    """The loss, or a weight, is NaN or infinite."""


class RunFolderGone(UserError):
    """The run folder was deleted, or moved to where the trainer cannot follow."""


class StopRequested(Exception):
    """A stop was requested: checkpoint, evaluation and report come next."""


class EndedAtOnce(BaseException):
    """A second signal: no checkpoint, no report. A `BaseException`, so that no handler on the way swallows it."""


_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "failed to map segment",  # of a library that is being loaded
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory, of the machine or of a GPU, ran out. Torch raises it as a RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OUT_OF_MEMORY)
