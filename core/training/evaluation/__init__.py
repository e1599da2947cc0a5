"""Models and recipes on labelled clips: evaluation, cross-validation, significance."""
