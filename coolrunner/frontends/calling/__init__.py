"""A study from Python."""
