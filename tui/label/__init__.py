"""The Label screen: doubtful labels, one decision per key, and what sounds alike."""
