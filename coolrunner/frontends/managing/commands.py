"""The commands of a manager: functions that it runs by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coolrunner.errors import UsageError, nearest

__all__ = ["Commands"]


class Commands:
    """Functions by name, one of which may be the main one."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self.main = ""

    def add(self, function: Callable[..., Any], name: str | None = None) -> str:
        """Add a function; return what it is called.

        A function that is defined again, as in a cell of a notebook, takes the place of the earlier one.

        Raises
        ------
        UsageError
            Another function has that name.
        """
        name = name or getattr(function, "__name__", "")
        if not name:
            raise UsageError(f"{function!r} has no name of its own: say add_command(function, name='...')")
        before = self._functions.get(name)
        if before is not None and _origin(before) != _origin(function):
            where = ".".join(_origin(before))
            raise UsageError(f"there is a command {name!r} already, {where}: say command(name='...') for one")
        self._functions[name] = function
        return name

    def find(self, command: str | Callable[..., Any] | None) -> tuple[str, Callable[..., Any]]:
        """Return a command's name and function.

        Parameters
        ----------
        command
            Its name, or the function itself; None for the main one.

        Raises
        ------
        UsageError
            There is none of that name; names the nearest.
        """
        if command is None:
            if not self.main:
                raise UsageError("which command? There is no main one: mark it with main or automain")
            command = self.main
        if isinstance(command, str):
            if command in self._functions:
                return command, self._functions[command]
            close = nearest(command, self._functions)
            hint = (
                f"did you mean {close!r}?" if close else f"there are {', '.join(self._functions) or 'none'}"
            )
            raise UsageError(f"there is no command {command!r}: {hint}")
        for name, function in self._functions.items():
            if function is command or getattr(function, "__wrapped__", None) is command:
                return name, function
        name = getattr(command, "__name__", repr(command))
        raise UsageError(f"{name} is no command: mark it with command, or say add_command({name})")


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return (
        getattr(function, "__module__", None) or "",
        getattr(function, "__qualname__", type(function).__qualname__),
    )
