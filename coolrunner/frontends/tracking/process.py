"""The names that users of experiment_tracker know: ``process.file_loader.FileLoader``."""

from __future__ import annotations

import sys

from coolrunner.frontends.tracking import tracker as file_loader

__all__ = ["file_loader", "process"]

#: This module, for ``from coolrunner import process``.
process = sys.modules[__name__]
