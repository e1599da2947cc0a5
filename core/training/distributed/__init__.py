"""Several processes that train one network, under torchrun."""
