"""Out-of-distribution detection: features, detector and thresholds."""
