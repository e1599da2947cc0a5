"""The Classify screen: files, their predictions, and the client of the worker that makes them."""
