"""Evaluation of models, cross-validation of recipes, significance of differences."""
