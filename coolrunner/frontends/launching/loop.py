"""The loop of a launcher: a run for each slot that is free, until all have run or a person stops it."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from coolrunner.errors import RunError
from coolrunner.execution.stopping import Interrupts, Phase, Stop
from coolrunner.frontends.launching.plan import Launch, Plan
from coolrunner.frontends.launching.processes import Processes
from coolrunner.frontends.launching.runs import LaunchedRun, Origin, Record, begin, pass_on
from coolrunner.frontends.launching.slots import LaunchSlot

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GRACE", "Loop", "say", "summary"]

#: Seconds that scripts have to end by themselves, once the launcher was told to stop.
GRACE = 10.0


class Loop:
    """Runs a plan on slots.

    Parameters
    ----------
    plan
        What is to run.
    slots
        Where; the first free one is taken.
    prefix
        What a script is called by: an interpreter, and what stands before that.
    """

    def __init__(self, plan: Plan, slots: Sequence[LaunchSlot], prefix: Sequence[str]) -> None:
        self._plan = plan
        self._slots = slots
        self._prefix = list(prefix)
        self._waiting = deque(enumerate(plan.launches))
        self._free = list(range(len(slots)))
        self._running: dict[int, tuple[Record, int]] = {}
        self._results: dict[int, LaunchedRun] = {}
        self._stop = Stop()
        self._has_killed = False
        self._has_told_of_others = False
        self._launched = 0
        self._begun_lines: dict[tuple[int, int], bytes] = {}
        self._origin: Origin

    def run(self) -> list[LaunchedRun]:
        """Run all; return what came of the runs, in their order.

        Raises
        ------
        RunError
            The disk does not take what there is to write; what still ran was ended.
        KeyboardInterrupt
            A person has stopped it, and all that ran has ended.
        """
        if not self._waiting:
            return []
        self._origin = Origin(self._plan.launches[0].script, self._plan.base)
        self._plan.announce()
        try:
            with Interrupts() as interrupts, Processes(self._output) as processes:
                while self._waiting or self._running:
                    refused = self._start(processes)
                    reports = list(processes.wait(self._patience(refused)))
                    interrupts.check(self._stop)
                    for report in reports:
                        self._hear(*report)
                    self._heed(processes)
        finally:
            self._leave()
        if self._stop.pressed:
            self._answer()
        return [result for _, result in sorted(self._results.items())]

    # --- starting ---

    def _start(self, processes: Processes) -> list[LaunchSlot]:
        """Start what there is room for; return the slots that another runner stood in the way of."""
        refused = []
        for number in list(self._free):
            if not self._waiting:
                break
            slot = self._slots[number]
            if not slot.reserve():
                refused.append(slot)
                continue
            self._free.remove(number)
            try:
                self._launch(processes, number, *self._waiting.popleft())
            except BaseException:
                slot.release()
                raise
        if refused and not self._running and not self._has_told_of_others:
            self._has_told_of_others = True
            say("waiting for CPUs or GPUs that another runner on this machine uses")
        return refused

    def _launch(self, processes: Processes, number: int, key: int, launch: Launch) -> None:
        slot = self._slots[number]
        record = Record(launch, begin(launch, self._origin))
        self._running[key] = record, number
        environment = _environment(slot.environment, record.environment)
        processes.start(key, [*self._prefix, *launch.call(slot.code)], environment, slot.cpus)
        self._launched += 1
        self._plan.count(self._launched)
        where = f" on slot {number}" if len(self._slots) > 1 else ""
        say(f"[{self._launched}/{len(self._plan.launches)}] {launch.name}{where}")

    def _patience(self, refused: Iterable[LaunchSlot]) -> float | None:
        if self._stop.phase is Phase.STOPPING:
            return None if self._has_killed else self._stop.remaining()
        return min((slot.retry_after for slot in refused if slot.retry_after is not None), default=None)

    # --- what happens ---

    def _output(self, key: int, stream: int, data: bytes) -> None:
        running = self._running.get(key)
        if running is not None:
            running[0].output(data)
        if len(self._slots) > 1:
            # Runs that go on at once must not break into each other's lines.
            data = self._begun_lines.pop((key, stream), b"") + data
            end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
            data, begun = data[:end], data[end:]
            if begun:
                self._begun_lines[key, stream] = begun
        pass_on(stream, data)

    def _hear(self, verb: str, key: int, value: Any) -> None:
        if verb == "started":
            self._running[key][0].started(value)
            return
        record, number = self._running.pop(key)
        for stream in (1, 2):
            pass_on(stream, self._begun_lines.pop((key, stream), b""))
        try:
            if verb == "failed":
                result = record.end(None, error=f"no process could be started: {value}")
            else:
                result = record.end(value, stopped=self._stop.pressed)
        finally:
            self._slots[number].release()
            self._free = sorted([*self._free, number])
        self._results[key] = result
        if result.status != "done":
            say(f"{record.launch.name} {result.status}: {record.error} ({record.directory.log})")

    def _heed(self, processes: Processes) -> None:
        """Do what signals have asked for: an interrupt first, a kill after the grace or when asked again."""
        stop = self._stop
        if stop.phase is Phase.NONE and stop.pressed:
            stop.begin(Phase.STOPPING, GRACE)
            self._waiting.clear()
            if self._running:
                say(f"{stop.reason}: waiting up to {GRACE:g} s for {_counted(len(self._running))} to end")
            self._signal(processes, signal.SIGINT)
        elif stop.phase is Phase.STOPPING and not self._has_killed and (stop.is_over() or stop.kill_now):
            self._has_killed = True
            self._signal(processes, signal.SIGKILL)

    def _signal(self, processes: Processes, number: int) -> None:
        for key in self._running:
            processes.signal(key, number)

    # --- the end ---

    def _leave(self) -> None:
        """Write down the end of what was killed because the launcher itself has failed."""
        for record, number in self._running.values():
            self._slots[number].release()
            with suppress(RunError):  # the disk may be what has failed
                record.end(None, stopped=True)

    def _answer(self) -> None:
        """End as the signal would have ended this process."""
        if self._stop.reason == "Ctrl-C":
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.Signals[self._stop.reason])


def _environment(*more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a script: it is a run of its own, whose output is seen as it comes."""
    environment = {**os.environ, "PYTHONUNBUFFERED": os.environ.get("PYTHONUNBUFFERED", "1")}
    for variables in more:
        environment.update(variables)
    return environment


def say(text: str) -> None:
    """Tell a person how far it has come."""
    with suppress(OSError, ValueError, AttributeError):  # who read it has gone, or there is no stream
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def summary(results: Sequence[LaunchedRun], done_before: int) -> str:
    """Return in a line what came of runs."""
    counts = Counter(result.status for result in results)
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    if done_before:
        parts.append(f"{done_before} done before")
    return f"{_counted(len(results) + done_before)}: {', '.join(parts) or 'nothing to do'}"


def _counted(count: int) -> str:
    return f"{count} run" + ("" if count == 1 else "s")
