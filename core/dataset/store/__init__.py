"""Features on disk: extraction, the store, and the feature sets that training reads."""
