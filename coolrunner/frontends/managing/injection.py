"""Giving functions what a configuration says: an explicit argument wins, then that, then the default."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from coolrunner.errors import nearest
from coolrunner.frontends.managing.config import fresh

__all__ = ["captured"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def captured(function: Any, values: Callable[[], Mapping[Any, Any]]) -> Any:
    """Return a function that takes from a configuration what it is not given.

    Parameters
    ----------
    function
        A function, a coroutine function, a class (whose ``__init__`` is meant) or a static or class method.
    values
        Asked at each call; gives the values by the names of parameters. What else it gives goes to
        ``**kwargs``, where the function has that.

    Returns
    -------
    A function with the same name and documentation; the class itself for a class.
    """
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(captured(function.__func__, values))
    if isinstance(function, type):
        if function.__init__ is object.__init__:  # type: ignore[misc]
            return function
        function.__init__ = captured(function.__init__, values)  # type: ignore[misc]
        return function
    parameters = _Parameters(function)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = parameters.filled(args, kwargs, values())
            return await function(*args, **kwargs)

        return asynchronous

    @functools.wraps(function)
    def filled(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = parameters.filled(args, kwargs, values())
        return function(*args, **kwargs)

    return filled


class _Parameters:
    """The parameters of a function, looked at once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        parameters = inspect.signature(function).parameters.values()
        self.positional = [p for p in parameters if p.kind in _POSITIONAL]
        self.only_named = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        self.names = frozenset(p.name for p in (*self.positional, *self.only_named))
        self.takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)

    def filled(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], values: Mapping[Any, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call together with those from a configuration."""
        missing: list[str] = []
        for parameter in (*self.positional[len(args) :], *self.only_named):
            name, default = parameter.name, parameter.default
            by_place = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
            if name in kwargs and not by_place:
                continue
            if name in values:
                value = fresh(values[name])
            elif default is parameter.empty:
                missing.append(name)
                continue
            elif not by_place:
                continue
            else:
                value = default  # those after it are given by their places
            if by_place:
                args = (*args, value)
            else:
                kwargs[name] = value
        if missing:
            raise TypeError(self._complaint(missing, values))
        if self.takes_all:
            for key, value in values.items():
                if isinstance(key, str) and key not in self.names and key not in kwargs:
                    kwargs[key] = fresh(value)
        return args, kwargs

    def _complaint(self, missing: list[str], values: Mapping[Any, Any]) -> str:
        keys = [key for key in values if isinstance(key, str)]
        said = []
        for name in missing:
            close = nearest(name, keys)
            said.append(f"{name!r} (did you mean {close!r}?)" if close else repr(name))
        return (
            f"{self.name}() was not called with {' and '.join(said)}, and the configuration has no such key"
        )
