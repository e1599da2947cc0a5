"""``evaluate`` and ``crossval``."""
