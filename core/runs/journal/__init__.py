"""The journal of a run: events, writer and reader, and the state that they reduce to."""
