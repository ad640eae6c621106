"""The Python launcher: variants, affinity codes, a process for each run."""
