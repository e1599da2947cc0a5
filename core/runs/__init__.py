"""Run folders on disk: what is in them, what can be asked of them, and how a trainer is started."""
