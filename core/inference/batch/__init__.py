"""Classifying many files: finding them, the prediction cache, predictions as files."""
