"""The Textual app and the command line. No torch is imported when a module loads."""
