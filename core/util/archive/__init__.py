"""Zip and tar archives read in place, by paths that lead into them; see `core.util.archive.path`."""
