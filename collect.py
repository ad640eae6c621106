#!/usr/bin/env python3
"""Gather logs from many places: what ``coolrunner collect`` does, without installing it."""

import sys

from coolrunner.cli.checkout import enter

if __name__ == "__main__":
    sys.exit(enter("collect"))
