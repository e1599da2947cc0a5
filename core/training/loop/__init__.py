"""The training loop: train and evaluate, state, optimiser, sampler, loader. No files, no journal."""
