"""Labelled collections: scanning, splits, feature packs, and reports about a dataset."""
