"""One file per command or for a few of one subject; imported when the command is called."""
