"""One file per command, grouped; imported when the command is called."""
