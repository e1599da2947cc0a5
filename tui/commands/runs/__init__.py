"""Commands about runs: train, attach, list, show, follow, control."""
