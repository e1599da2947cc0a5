"""The trainer process around the loop: control, events, checkpoints, final report."""
