"""The training loop: train and evaluate, state, optimiser, loader. No files, no journal."""
