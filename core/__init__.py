"""Everything that knows audio and learning; no terminal code."""
