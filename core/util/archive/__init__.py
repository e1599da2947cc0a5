"""Reading zip and tar archives in place, by paths that lead into them; see `core.util.archive.path`."""
