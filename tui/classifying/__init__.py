"""What the Classify screen knows, apart from how it looks."""
