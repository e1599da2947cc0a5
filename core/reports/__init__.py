"""What a run leaves for people: metrics, plots and spectrogram images."""
