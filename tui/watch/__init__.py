"""The Watch screen: one run, live."""
