"""Audio files: decoders, headers and truncation checks."""
