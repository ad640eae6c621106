"""Durations as people write them: ``90``, ``"30m"``, ``"1h30m"``."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["parse_duration"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd])")


def parse_duration(value: Any) -> float | None:
    """Return a duration in seconds, or None where `value` is none.

    Parameters
    ----------
    value
        Seconds as a number, or a string of numbers with the units ``s``, ``m``, ``h`` or ``d``.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) and value >= 0 else None
    if not isinstance(value, str) or not value.strip():
        return None
    total, place = 0.0, 0
    while place < len(value.rstrip()):
        part = _PART.match(value, place)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        place = part.end()
    return total
