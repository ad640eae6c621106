"""Dates, times and durations as questions have them: ``STARTED > ago('3h')``.

Dates and times are compared as moments. One without a zone is in the zone of the machine that asks; a
date is its first moment there.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from coolrunner.definition.durations import parse_duration

__all__ = ["ago", "duration", "is_date", "moment", "now"]

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6})[0-9]*)?)?"
    r"\s*(Z|[-+][0-9]{2}(?::?[0-9]{2})?)?)?\Z"
)
_WEEKS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*w")
_UTC = datetime.timezone.utc


def is_date(value: Any) -> bool:
    """Whether a value is a date or a time of YAML's, or a moment."""
    return isinstance(value, datetime.date)


def now() -> datetime.datetime:
    """Return this moment."""
    return datetime.datetime.now().astimezone()


def moment(value: Any) -> datetime.datetime:
    """Return the moment that a date, a time, or an ISO 8601 text of one stands for.

    Raises
    ------
    TypeError
        It is none.
    """
    if isinstance(value, str):
        found = _from_text(value)
    elif isinstance(value, datetime.datetime):
        found = value
    elif isinstance(value, datetime.date):
        found = datetime.datetime(value.year, value.month, value.day)
    else:
        found = None
    if found is None:
        shown = repr(value) if len(repr(value)) < 60 else f"{repr(value)[:60]}..."
        raise TypeError(f"{shown} is no date or time such as '2026-11-21' or '2026-11-21T14:30+01:00'")
    if found.tzinfo is not None:
        return found
    try:
        return found.astimezone()
    except (OverflowError, ValueError, OSError):  # the first and last days of the calendar
        return found.replace(tzinfo=_UTC)


def _from_text(text: str) -> datetime.datetime | None:
    if text[13:14] == ":":
        try:
            return datetime.datetime.fromisoformat(text)  # quick, and all that the runner writes
        except ValueError:
            pass
    match = _ISO.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        offset = None
        if zone:
            hours, minutes = ("00", "00") if zone == "Z" else (zone[1:3], zone[3:].lstrip(":") or "00")
            delta = datetime.timedelta(hours=int(hours), minutes=int(minutes))
            offset = datetime.timezone(-delta if zone.startswith("-") else delta)
        return datetime.datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
            offset,
        )
    except ValueError:
        return None


def duration(value: Any) -> float:
    """Return a duration in seconds.

    Parameters
    ----------
    value
        Seconds, or a text of numbers with the units ``s``, ``m``, ``h``, ``d`` and ``w``: ``'1h30m'``.

    Raises
    ------
    TypeError
        It is none.
    """
    days = _WEEKS.sub(lambda match: f"{7 * float(match[1]):f}d", value) if isinstance(value, str) else value
    seconds = parse_duration(days)
    if seconds is None:
        raise TypeError(f"{value!r} is no duration such as '90s', '30m', '3h', '2d', '1w' or '1h30m'")
    return seconds


def ago(value: Any, at: datetime.datetime) -> datetime.datetime:
    """Return the moment that lies a duration before another.

    Raises
    ------
    TypeError
        `value` is no duration, or longer than the calendar.
    """
    try:
        return at - datetime.timedelta(seconds=duration(value))
    except OverflowError:
        raise TypeError(f"{value!r} ago is before the calendar begins") from None
