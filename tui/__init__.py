"""The Textual app and the command line. No module here loads torch when it is imported."""
