"""Worker processes of the app, which itself never imports torch."""
