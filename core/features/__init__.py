"""Log-mel front end, augmentation, and spectrograms for display."""
