"""Text for terminals: numbers, cells, status symbols."""
