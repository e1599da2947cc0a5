"""Labels: which are probably wrong, what to label next, what sounds alike, and the file that keeps the decisions."""
