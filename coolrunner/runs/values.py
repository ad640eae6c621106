"""What is logged as a number: values and steps, whatever library they come from."""

from __future__ import annotations

import math
import operator
from typing import Any

__all__ = ["INT64", "as_number", "as_step"]

#: Steps are below, and not below its negative: they have 64 bits everywhere.
INT64 = 1 << 63


def as_number(name: str, value: Any) -> float:
    """Return a value as a float.

    Parameters
    ----------
    name
        Of the metric, for the error.
    value
        An int, float or bool, or a scalar or an array of one element (of numpy, torch, TensorFlow, jax).

    Raises
    ------
    TypeError
        It is something else.
    """
    number = value
    if not isinstance(value, (int, float)) and callable(getattr(value, "item", None)):
        try:
            number = value.item()
        except (ValueError, RuntimeError, TypeError):
            shape = tuple(getattr(value, "shape", ()))
            if math.prod(shape) == 1:
                raise  # it is a number, and something else is wrong
            raise TypeError(
                f"the metric {name!r} takes one number, not {_kind(value)} of shape {shape}; "
                "log_scalar_batch logs the mean, the deviation and the extremes of many"
            ) from None
    if not isinstance(number, (str, bytes, bytearray)):
        try:
            return float(number)
        except OverflowError:
            return math.inf if number > 0 else -math.inf
        except (TypeError, ValueError):
            pass
    raise TypeError(f"the metric {name!r} takes a number, not {_kind(value)} {_short(value)}")


def as_step(name: str, step: Any) -> int:
    """Return a step as an int; it may come from numpy or torch, or be a float without a fraction.

    Raises
    ------
    TypeError
        It is no whole number of 64 bits; the error names the metric.
    """
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    try:
        number = operator.index(step)
    except TypeError:
        number = INT64
    if not -INT64 <= number < INT64:
        raise TypeError(f"the step of {name!r} is a whole number, not {_kind(step)} {_short(step)}")
    return number


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
