"""Classifying many files: finding them, the prediction cache, label names, playlists."""
