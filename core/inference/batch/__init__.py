"""Many files: finding them, classifying them, cache, label names, playlists."""
