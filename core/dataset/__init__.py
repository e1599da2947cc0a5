"""Labelled collections: settings, scanning, splits, feature packs, and reports about a dataset."""
