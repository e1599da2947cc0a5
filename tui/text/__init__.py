"""Text for terminals: numbers, cells, the table of models."""
