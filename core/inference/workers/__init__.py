"""The processes that the app talks to, so that it never imports torch."""
