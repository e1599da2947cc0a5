"""The HTTP server of the classifier, with a web page."""
