"""Labels: finding wrong ones, choosing what to label next, similar clips, and the overlay that stores decisions."""
