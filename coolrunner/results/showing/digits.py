"""How many digits a person wants to see of a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Spread", "aligned", "rounded", "with_spread"]

# From the middle to the largest of numbers that stand below each other with the same decimals.
_SPAN = 1000


class Spread(NamedTuple):
    """A mean and what it is uncertain by, as they are written."""

    mean: str
    spread: str

    def __str__(self) -> str:
        return f"{self.mean} ± {self.spread}"


def rounded(value: float) -> str:
    """Return a number with four significant digits at least: ``0.9861``, ``1.25e-05``, ``12345.7``.

    Whole numbers stay whole, and zeros behind the point are left out.
    """
    if type(value) is int:
        return str(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    size = abs(value)
    if 1e-4 <= size < 1e6:
        return f"{value:.{max(4, min(6, 1 + math.floor(math.log10(size)) + 1))}g}"
    return f"{value:.4g}"


def aligned(values: Sequence[float]) -> Callable[[float], str]:
    """Return what writes the numbers of a column: measurements with as many decimals as each other.

    Numbers that somebody has chosen, which have few digits, and those of very different sizes are written
    each by itself, by `rounded`.

    >>> list(map(aligned([0.96, 0.98667]), [0.96, 0.98667]))
    ['0.9600', '0.9867']
    >>> list(map(aligned([0.125, 64.0]), [0.125, 64.0]))
    ['0.125', '64']
    """
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if not sizes or all(float(rounded(value)) == value for value in values if math.isfinite(value)):
        return rounded
    largest, middle = max(sizes), sorted(sizes)[len(sizes) // 2]
    if not (1e-3 <= largest < 1e6 and largest <= _SPAN * middle):
        return rounded
    # A share of 1 has the decimals of one of 0.99.
    decimals = min(max(3 - math.floor(math.log10(largest * 0.9999)), 0), 6)
    visible = 10 ** (1 - decimals)

    def write(value: float) -> str:
        if not value or visible <= abs(value) < math.inf:
            return f"{value:.{decimals}f}"
        return rounded(value)

    return write


def with_spread(mean: float, spread: float) -> tuple[str, str]:
    """Return a mean and what it is uncertain by, with as many decimals as that has two digits.

    >>> with_spread(0.98613, 0.00312)
    ('0.9861', '0.0031')
    >>> with_spread(1234.5, 12.3)
    ('1234', '12')
    """
    if not (math.isfinite(mean) and math.isfinite(spread)) or spread <= 0:
        return rounded(mean), rounded(spread)
    size = max(abs(mean), spread)
    if not 1e-4 <= size < 1e6:
        return rounded(float(mean)), f"{spread:.2g}"
    decimals = min(max(1 - math.floor(math.log10(spread)), 0), 6)
    return f"{mean:.{decimals}f}", f"{spread:.{decimals}f}"
