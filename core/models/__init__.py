"""Architectures, their layers and options; pretrained encoders; out-of-distribution detection."""
