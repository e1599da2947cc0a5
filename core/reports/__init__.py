"""Reports of runs: metrics, plots and spectrogram images."""
