"""What came of experiments, written down: results in their logs, failures in the logs beside them."""

from __future__ import annotations

import datetime
import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from coolrunner.definition.plan import Planned
from coolrunner.errors import LogError, UsageError
from coolrunner.execution.base import Outcome
from coolrunner.queue.steps import step
from coolrunner.results.logs.yamllog import LogBook, YamlLog, failed_log, record_text

__all__ = ["Records", "check_logs"]


def check_logs(logs: Iterable[str], definition: str) -> None:
    """See that logs of results can be written, and those of failures beside them.

    Parameters
    ----------
    definition
        The file that the study was read from; empty where it is not at hand.

    Raises
    ------
    UsageError
        One of them is the definition.
    LogError
        One of them cannot be written.
    """
    forbidden = Path(definition).resolve() if definition else None
    for log in logs:
        if Path(log).resolve() == forbidden:
            raise UsageError(f"YamlLog: {log} is the definition itself; results need their own file")
        YamlLog.check(log)
        YamlLog.check(failed_log(log))


class Records:
    """The logs of a study while it runs.

    Parameters
    ----------
    study
        Its name.
    say
        Tells a person of what went wrong.

    Attributes
    ----------
    broken
        Whether a log could not be written.
    """

    def __init__(self, study: str, say: Callable[[str], None]) -> None:
        self.broken = False
        self._study = study
        self._say = say
        self._logs, self._failed_logs = LogBook(), LogBook()
        self._host = socket.gethostname()

    @property
    def paths(self) -> list[str]:
        """The logs of results that were written to."""
        return self._logs.paths

    @property
    def failed_paths(self) -> list[str]:
        """The logs of failures that were written to."""
        return self._failed_logs.paths

    def document(self, planned: Planned, outcome: Outcome) -> dict[str, Any]:
        """Return an experiment as a log holds it, with its results."""
        started = datetime.datetime.fromtimestamp(outcome.started).astimezone()
        record = {**planned.experiment.inputs, **outcome.results}
        if outcome.solved:
            record["SOLVED"] = outcome.solved
        record["ID"] = planned.id
        record["STUDY"] = self._study
        record["HOST"] = self._host
        if outcome.run:
            record["RUN"] = outcome.run
        record["STARTED"] = started.isoformat(timespec="seconds")
        record["TIME_ELAPSED"] = round(outcome.elapsed, 6)
        return record

    def failure(self, planned: Planned, outcome: Outcome) -> dict[str, Any]:
        """Return an experiment as a log of failures holds it."""
        record = self.document(planned, outcome)
        record["FAILURE"] = outcome.kind
        record["ERROR"] = outcome.error
        record["TRACEBACK"] = outcome.traceback
        return record

    def add(self, planned: Planned, record: Mapping[str, Any]) -> str:
        """Append a result to its log, and return the log.

        Raises
        ------
        LogError
            The log does not take it; the message says where it is kept instead.
        """
        path = str(planned.experiment.inputs["YamlLog"])
        try:
            self._logs.append(path, planned.id, record)
            step("log-appended")
        except LogError as error:
            saved = self._save(planned, record)
            raise LogError(f"{error}; the result of {planned.name} is in {saved}") from None
        return path

    def add_failure(self, planned: Planned, record: Mapping[str, Any]) -> str:
        """Append a failure to the log of failures; return where it is."""
        path = failed_log(str(planned.experiment.inputs["YamlLog"]))
        try:
            self._failed_logs.append(path, planned.id, record)
        except LogError as error:
            saved = self._save(planned, record)
            self._say(f"{error}; the result of {planned.name} is in {saved}")
            return saved
        return path

    def _save(self, planned: Planned, record: Mapping[str, Any]) -> str:
        """Save a record that its log could not take; return where it is, or the record itself."""
        self.broken = True
        text = record_text(planned.id, record)
        try:
            with tempfile.NamedTemporaryFile(
                "w", prefix=f"coolrunner-{planned.id}-", suffix=".yaml", delete=False, encoding="utf-8"
            ) as file:
                file.write(text)
                return file.name
        except OSError:
            return f"no file, as no other can be written either; it is:\n{text}"

    def close(self) -> None:
        """Bring all of it to the disk."""
        for logs in (self._logs, self._failed_logs):
            try:
                logs.close()
            except LogError as error:
                self.broken = True
                self._say(str(error))
