"""Figures of this machine: each module is a command, ``python -m benchmarks.NAME``, that prints them."""
