"""Live sound to a smoothed stream of predictions."""
