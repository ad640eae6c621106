"""What failures lead to: another try, an end, or a pause because all of them fail."""

from __future__ import annotations

__all__ = ["Patience", "retry_delay"]

#: A study whose first experiments fail, so many of them, within so many seconds each, is broken itself.
FIRST = 5
QUICK = 10.0
_LONGEST = 300.0


def retry_delay(failures: int) -> float:
    """Return the seconds to wait before a next try, after so many failures: 1, 2, 4, ..., 300."""
    return min(2.0 ** max(failures - 1, 0), _LONGEST)


class Patience:
    """Counts failures, and says when there have been too many.

    Parameters
    ----------
    limit
        How many failures end the study; None for any number.
    breaker
        Whether it is to stop when its first experiments all fail at once.
    """

    def __init__(self, limit: int | None, *, breaker: bool) -> None:
        self._limit = limit
        self._breaker = breaker
        self._failures = 0
        self._quick = 0

    def succeed(self) -> None:
        """Take note of an experiment that did not fail."""
        self._breaker = False

    def fail(self, elapsed: float) -> None:
        """Take note of a failure after so many seconds."""
        self._failures += 1
        self._quick += 1
        self._breaker = self._breaker and elapsed < QUICK

    @property
    def is_over(self) -> bool:
        """Whether so many have failed that the study ends."""
        return self._limit is not None and self._failures >= self._limit

    @property
    def end(self) -> str:
        """Why it ends."""
        count = "the first failure" if self._limit == 1 else f"{self._limit} failures"
        return f"the study ends after {count}"

    def breaks(self) -> bool:
        """Whether all of the first experiments have failed at once; said once."""
        if self._breaker and self._quick >= FIRST:
            self._breaker = False
            return True
        return False
