"""Genres in the tags of audio files, with an undo journal."""
