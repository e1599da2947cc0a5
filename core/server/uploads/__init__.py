"""Uploaded files: parsing, spooling, decoding in worker processes."""
