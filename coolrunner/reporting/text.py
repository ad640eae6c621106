"""How durations, numbers, values and indices are written for people."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "brief",
    "cut",
    "duration",
    "number",
    "one_line",
    "pad",
    "pairs",
    "ranges",
    "short_keys",
    "size",
    "spread",
    "tail_of",
    "width_of",
]

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")
_OUR_FRAMES = (f'  File "{Path(__file__).parents[1]}{os.sep}', '  File "<expression>"')
_DOTTED = re.compile(r"solve\s+(?:\w+\.)*(\w+)\s*")


def duration(seconds: float) -> str:
    """Return a duration with two units at most: ``40 ms``, ``1.2 s``, ``2 min 05 s``, ``3 d 04 h``."""
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.0f} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def _decimals(value: float) -> int:
    """Return how many decimals show `value` well, or -1 where it needs an exponent."""
    size = abs(value)
    if not 1e-4 <= size < 1e7:
        return 0 if size == 0 else -1
    if size >= 0.01:  # 0.9861 and 0.0124 stand below each other
        return max(0, min(4, 3 - math.floor(math.log10(size))))
    return 3 - math.floor(math.log10(size))


def number(value: float) -> str:
    """Return a measurement with about four digits; whole numbers in full as far as they are short."""
    if isinstance(value, int):
        return str(value) if -(10**12) < value < 10**12 else _large(value)
    if not math.isfinite(value):
        return str(value)
    decimals = _decimals(value)
    return f"{value:.{decimals}f}" if decimals >= 0 else f"{value:.3e}"


def _large(value: int) -> str:
    try:
        return f"{value:.4g}"
    except OverflowError:
        return f"a number of {value.bit_length()} bits"


def size(count: float) -> str:
    """Return a number of bytes: ``8G``, ``1.5G``, ``512M``, in powers of 1024."""
    for unit, power in (("T", 40), ("G", 30), ("M", 20)):
        if count >= 1 << power:
            return f"{count / (1 << power):.1f}".removesuffix(".0") + unit
    return f"{count:g} bytes" if count else "0"


def spread(mean: float, deviation: float, count: int) -> str:
    """Return mean, standard deviation and count: ``0.9861 ± 0.0031 (3)``."""
    if count == 1:
        return f"{number(mean)} (1)"
    if deviation == 0:
        return f"{number(int(mean) if mean == int(mean) else mean)} ± 0 ({count})"
    decimals = _decimals(mean)
    if not math.isfinite(mean) or decimals < 0 or not math.isfinite(deviation):
        return f"{number(float(mean))} ± {number(float(deviation))} ({count})"
    if mean == 0:
        decimals = max(_decimals(deviation), 0)
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f} ({count})"


def brief(value: Any, limit: int = 30) -> str:
    """Return a value as YAML would show it, on one line of at most `limit` characters.

    An importable object (``solve torch.optim.Adam``) is named by its last part.
    """
    if isinstance(value, str):
        dotted = _DOTTED.fullmatch(value) if value.startswith("solve ") else None
        return cut(dotted[1] if dotted else one_line(value[: limit + 200]), limit)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    # Not one of them is written in full first: a result may be a list of a million numbers.
    if isinstance(value, Mapping):
        inside = [f"{brief(key, limit)}: {brief(value[key], limit)}" for key in _first(value)]
        return cut("{" + ", ".join(inside) + (", …" if len(value) > len(inside) else "") + "}", limit)
    if isinstance(value, (list, tuple)):
        inside = [brief(item, limit) for item in _first(value)]
        return cut("[" + ", ".join(inside) + (", …" if len(value) > len(inside) else "") + "]", limit)
    return cut(one_line(str(value)), limit)


def _first(items: Iterable[Any], count: int = 6) -> list[Any]:
    return [item for item, _ in zip(items, range(count), strict=False)]


def pairs(values: Mapping[str, Any], limit: int, equals: str = "=", between: str = ", ") -> str:
    """Return ``model=svm, C=10`` with as many pairs as `limit` characters hold."""
    text = ""
    names = short_keys(values) if len(values) <= 50 else {key: key for key in values}
    for key, value in values.items():
        shown = number(value) if type(value) is float and equals == " " else brief(value, 24)
        added = f"{between if text else ''}{one_line(names[key])}{equals}{shown}"
        room = limit - len(text) - len(added)
        if room < 0:
            return (
                f"{text}{between if text else ''}…" if len(text) + len(between) < limit else cut(text, limit)
            )
        text += added
    return text


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return for each dotted key its last part, or all of it where the last part is not its own."""
    whole = list(keys)
    lasts = [str(key).rpartition(".")[2] or str(key) for key in whole]
    return {key: last if lasts.count(last) == 1 else str(key) for key, last in zip(whole, lasts, strict=True)}


def ranges(indices: Sequence[int], limit: int = 60) -> str:
    """Return indices as ``--pick`` reads them, ``3,7-9``; more than `limit` characters end in ``...``."""
    parts: list[str] = []
    length, place, ordered = 0, 0, sorted(set(indices))
    while place < len(ordered):
        first = last = ordered[place]
        while place + 1 < len(ordered) and ordered[place + 1] == last + 1:
            place += 1
            last = ordered[place]
        place += 1
        parts.append(str(first) if first == last else f"{first}{',' if last == first + 1 else '-'}{last}")
        length += len(parts[-1]) + 1
        if length > limit and place < len(ordered):
            return ",".join([*parts[:-1], "..."])
    return ",".join(parts)


def one_line(text: str) -> str:
    """Return a text without line breaks and whatever else would move a cursor."""
    return " ".join(text.translate(_CONTROL).split()) if not text.isprintable() else text


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters; an ellipsis stands for what is missing."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def tail_of(traceback: str, lines: int) -> list[str]:
    """Return the last lines of a traceback without what does not help to find the mistake.

    That is its closing error, which is shown elsewhere, and the frames of Coolrunner.
    """
    every = traceback.rstrip().splitlines()
    while every and every[-1][:1] not in ("", " "):
        every.pop()
    every = _without_ours(every)
    shown = every[-lines:]
    return [*(["  …"] if len(every) > len(shown) else []), *shown]


def _without_ours(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    ours = False
    for line in lines:
        if line.startswith("  File "):
            ours = line.startswith(_OUR_FRAMES)
        elif not line.startswith("    "):
            ours = False
        if not ours:
            kept.append(line)
    return kept if any(line.startswith("  File ") for line in kept) else []


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def pad(text: str, width: int, right: bool = False) -> str:
    """Return a text filled up with spaces, at its left side where it is to stand `right`."""
    fill = " " * (width - width_of(text))
    return fill + text if right else text + fill
