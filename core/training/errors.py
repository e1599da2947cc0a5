"""The ways in which a training ends before its last epoch."""

from core.util.errors import UserError


class Diverged(UserError):
    """The loss, or a weight, is NaN or infinite."""


class StopRequested(Exception):
    """Somebody asked for a stop: checkpoint, evaluation and report come next."""


class EndedAtOnce(BaseException):
    """A second signal: no checkpoint, no report. Not an `Exception`, so that nothing on the way takes it for one."""
