"""What trials have reached on their way, and the word that ends one early.

A Module logs to its run's ``metrics.csv``; the runner reads there, tells Optuna, and where the pruner has had
enough puts a file `STOP` into the run directory. ``exp.run.should_stop()`` sees that and leaves a file
`STOPPED`, by which the runner knows that the Module ended because of it. So it works wherever the run
directory can be seen from, and a run waits for nobody.
"""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from coolrunner.errors import RunError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.session import STOP, STOPPED

__all__ = ["MetricTail", "has_stopped", "stop"]


class MetricTail:
    """The values of one metric of a run that goes on.

    Parameters
    ----------
    run
        The run directory.
    metric
        The name.
    """

    def __init__(self, run: str, metric: str) -> None:
        self._path: Path | None = None
        self._run = run
        self._metric = metric
        self._place = 0

    def read(self) -> list[tuple[int, float]]:
        """Return the steps and values that were logged since this was last called."""
        data = b""
        with contextlib.suppress(OSError, RunError):
            if self._path is None:
                self._path = RunDirectory.at(self._run).metrics
            with self._path.open("rb") as file:
                file.seek(self._place)
                data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        found: list[tuple[int, float]] = []
        for row in csv.reader(whole.decode("utf-8", "replace").splitlines()):
            if len(row) == 4 and row[0] == self._metric:
                with contextlib.suppress(ValueError):  # the header, of a metric named "name"
                    found.append((int(row[1]), float(row[2])))
        return found


def stop(run: str) -> None:
    """Let a run know that it is to end."""
    with contextlib.suppress(OSError, RunError):  # then it goes on to its end
        (RunDirectory.at(run).path / STOP).touch()


def has_stopped(run: str) -> bool:
    """Whether a run ended because it was let know."""
    try:
        return (RunDirectory.at(run).path / STOPPED).exists()
    except RunError:
        return False
