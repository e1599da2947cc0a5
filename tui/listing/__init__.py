"""The list of runs without a screen: its rows, its columns, its filter, and where the rows come from."""
