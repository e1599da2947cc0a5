"""Factories and drivers that several tests share. No test imports another test."""
