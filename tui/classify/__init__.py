"""The Classify screen: files, their verdicts, and the process that gives them."""
