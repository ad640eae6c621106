"""The other doors: argparse scripts and the manager; what they start leaves the same kind of run."""
