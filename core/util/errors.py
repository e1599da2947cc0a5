"""What a user can cause and mend."""


class UserError(Exception):
    """Something that a user can put right. Its text is one clear sentence that says what to do."""
