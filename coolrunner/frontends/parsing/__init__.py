"""The door for argparse scripts."""
