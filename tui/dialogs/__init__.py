"""Dialogs and pickers that several screens open."""
