"""Charts as pure functions: smoothing, decimation, ticks, and the drawing of curves into character cells."""
