"""Everything that knows audio and learning. No terminal code anywhere in it."""
