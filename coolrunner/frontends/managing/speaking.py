"""What a person says through a manager: messages by level, to the log of the run that is under way."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from coolrunner.frontends.managing.base import ManagerBase
from coolrunner.frontends.managing.messages import show_values

__all__ = ["Speaking"]


class Speaking(ManagerBase):
    """Messages; ``%s`` in them stands for further arguments, as in `logging`.

    All go to ``experiment_info.log`` (those for debugging to ``debug.log`` alone), and those from within a
    run to its ``run.log`` as well.
    """

    @property
    def logger(self) -> logging.Logger:
        """The same as a logger of the standard library."""
        return self._messages.logger

    def info(self, message: object, *args: object, level: int = 0) -> None:
        """Say something.

        Parameters
        ----------
        message, args
            What.
        level
            How much it is to stand out: 0, 1, or 2 as the start and the end of a command do.
        """
        self._messages.info(message, *args, level=level)

    def warning(self, message: object, *args: object) -> None:
        """Warn of something."""
        self.logger.warning(message, *args)

    warn = warning

    def error(self, message: object, *args: object) -> None:
        """Tell of an error; where one is being handled, with its traceback."""
        self.logger.error(message, *args, exc_info=sys.exc_info()[0] is not None)

    def debug(self, message: object, *args: object) -> None:
        """Say something to whoever looks for a mistake."""
        self.logger.debug(message, *args)

    def log_locals(self, values: Mapping[str, Any] | None = None) -> None:
        """Write down the local variables of the caller, or other ones, for debugging.

        Values of secret names are left out, and of long ones only the beginning is shown.
        """
        frame = sys._getframe(1)
        shown = show_values(frame.f_locals if values is None else values)
        self.debug("%s has\n%s", frame.f_code.co_name, shown or "    nothing")
