"""Exit statuses of the commands."""

from core.util.errors import UserError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(UserError):
    """The command line is wrong: exit status 2, like argparse's own errors."""
