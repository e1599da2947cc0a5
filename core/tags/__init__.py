"""The genre in audio files' own tags: read, written safely, undone. Imports no torch."""
