"""A search: its trials as experiments of the queue."""
