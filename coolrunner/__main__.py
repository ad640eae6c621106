"""``python -m coolrunner`` is the console command ``coolrunner``."""

import sys

from coolrunner.cli import main

sys.exit(main())
