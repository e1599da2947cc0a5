"""Sound in and out: files, live sources, resampling, playback."""
