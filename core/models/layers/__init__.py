"""Convolution blocks, normalisation, and the Triton kernels behind them."""
