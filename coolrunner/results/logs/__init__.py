"""Logs: the YamlLog and what reads it (find, read, collect, ask by ID, try failures again)."""
