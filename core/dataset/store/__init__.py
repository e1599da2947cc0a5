"""Features on disk: the store, and the feature sets that training reads."""
