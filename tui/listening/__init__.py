"""What the Listen screen knows and draws."""
