"""Errors that a user can cause and fix."""


class UserError(Exception):
    """An error that the user can fix. Its text is one clear sentence that says what to do."""
