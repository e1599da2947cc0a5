"""What every screen shares: app base, settings, themes, key map, mode bar, terminal set-up."""
