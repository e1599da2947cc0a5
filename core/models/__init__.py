"""Architectures, their layers and their options."""
