#!/usr/bin/env python3
"""Run the experiments of a definition: what ``coolrunner run`` does, without installing it."""

import sys

from coolrunner.cli.checkout import enter

if __name__ == "__main__":
    sys.exit(enter("run"))
