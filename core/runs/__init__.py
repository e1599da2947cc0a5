"""Run folders: their files, actions on runs, and starting a trainer."""
