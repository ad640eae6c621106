"""An argument parser whose arguments may be volatile, and that reads truth values."""

from __future__ import annotations

import argparse
from typing import Any, TypeVar

from coolrunner.frontends.parsing.types import truth

__all__ = ["ArgumentParser", "is_volatile"]

Group = TypeVar("Group", bound=argparse._ActionsContainer)


class _Container(argparse._ActionsContainer):
    """What arguments are added to."""

    def add_argument(self, *args: Any, volatile: bool = False, **kwargs: Any) -> argparse.Action:
        """Add an argument, as `argparse.ArgumentParser.add_argument` does.

        Parameters
        ----------
        volatile
            Whether it is recorded, but never restored by ``--config``.
        """
        action = super().add_argument(*args, **kwargs)
        vars(action)["volatile"] = volatile
        return action

    def add_argument_group(self, *args: Any, **kwargs: Any) -> Any:
        """Add a group for the help."""
        return _as(_ArgumentGroup, super().add_argument_group(*args, **kwargs))

    def add_mutually_exclusive_group(self, **kwargs: Any) -> Any:
        """Add a group of arguments of which one may be given."""
        return _as(_ExclusiveGroup, super().add_mutually_exclusive_group(**kwargs))


class _ArgumentGroup(_Container, argparse._ArgumentGroup):
    pass


class _ExclusiveGroup(_Container, argparse._MutuallyExclusiveGroup):
    pass


def _as(kind: type[Group], group: argparse._ActionsContainer) -> Group:
    # argparse makes its groups itself. They become ours here, which only adds methods.
    group.__class__ = kind
    return group  # type: ignore[return-value]


def is_volatile(action: argparse.Action) -> bool:
    """Whether an argument is never restored."""
    return bool(getattr(action, "volatile", False))


class ArgumentParser(_Container, argparse.ArgumentParser):
    """`argparse.ArgumentParser` with ``type=bool`` and ``add_argument(..., volatile=True)``.

    The parsers of the commands of an `ExParser` are of this class.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register("type", bool, truth)
