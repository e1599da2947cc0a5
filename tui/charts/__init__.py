"""Curves: data, decimation, ticks and drawing with plotext."""
