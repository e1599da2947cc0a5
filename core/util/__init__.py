"""Utilities for all packages: atomic writes, parallel maps, the user's folders, devices, worker processes, errors."""
