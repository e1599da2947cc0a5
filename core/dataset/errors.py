"""What makes a whole dataset unusable."""

from core.errors import UserError


class DatasetError(UserError):
    """A dataset that cannot be trained on, in one sentence that says what to do."""
