"""The classifier over HTTP, with a page for browsers."""
