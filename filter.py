#!/usr/bin/env python3
"""Filter and sort logs: what ``coolrunner filter`` does, without installing it."""

import sys

from coolrunner.cli.checkout import enter

if __name__ == "__main__":
    sys.exit(enter("filter"))
