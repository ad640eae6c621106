"""Sweeps: many experiments in a few lines of a definition."""
