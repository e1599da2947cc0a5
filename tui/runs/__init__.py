"""The Runs screen: the list of runs, its columns and filter, and what can be done to a run."""
