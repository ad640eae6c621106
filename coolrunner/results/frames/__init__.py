"""Results as frames, and what is done with frames."""
