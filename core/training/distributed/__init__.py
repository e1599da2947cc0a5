"""Training one network with several processes under torchrun."""
