"""Values as columns of a pandas frame, with the types that they have.

The rules do not change with the version of pandas:

- truth values are ``bool``, whole numbers ``int64``, numbers ``float64``, times without a zone
  ``datetime64[ns]``, each where all values are of the type;
- numbers with gaps are ``float64``, with NaN in the gaps: whole numbers too, as long as it holds them all
  exactly (up to 2**53);
- all else (texts, lists, mappings, truth values with gaps, numbers beyond 64 bits, values of several types)
  is ``object``, each value as it is: null is None, and what a row does not have is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from coolrunner.results.parts import MISSING

__all__ = ["column"]

_INT64 = 1 << 63
_EXACT = 1 << 53
_NAN = float("nan")
_GAPS = {type(None), type(MISSING)}
_NESTED = {list, dict}


def column(pd: Any, name: Any, values: Sequence[Any]) -> Any:
    """Return values as a column, `pandas.Series`, of the type that they have.

    Parameters
    ----------
    pd
        The module pandas.
    name
        What the column is called.
    values
        Plain data; `MISSING` where a row has none. Lists and mappings are copied: what is changed in the
        column is not changed in them.
    """
    met = set(map(type, values))
    kinds = met - _GAPS
    if kinds == {bool} and kinds == met:
        return pd.Series(values, dtype="bool", name=name)
    whole = [value for value in values if type(value) is int] if int in kinds else [0]
    if kinds == {int} and kinds == met and min(whole) >= -_INT64 and max(whole) < _INT64:
        return pd.Series(values, dtype="int64", name=name)
    if kinds and kinds <= {int, float} and max(map(abs, whole)) <= _EXACT:
        if kinds != met:
            values = [_NAN if value is None or value is MISSING else value for value in values]
        return pd.Series(values, dtype="float64", name=name)
    if kinds == {datetime}:
        times = _times(pd, name, values)
        if times is not None:
            return times
    copied = [
        _NAN if value is MISSING else _copied(value) if type(value) in _NESTED else value for value in values
    ]
    return pd.Series(copied, dtype=object, name=name)


def _times(pd: Any, name: Any, values: Sequence[Any]) -> Any:
    """Return times without a zone as a column; None where some have one, or it does not hold them."""
    present = [None if value is MISSING else value for value in values]
    if any(value is not None and value.tzinfo is not None for value in present):
        return None
    try:
        return pd.Series(pd.to_datetime(present).astype("datetime64[ns]"), name=name)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        return None


def _copied(value: Any) -> Any:
    if type(value) is list:
        return [_copied(item) if type(item) in _NESTED else item for item in value]
    return {key: _copied(item) if type(item) in _NESTED else item for key, item in value.items()}
