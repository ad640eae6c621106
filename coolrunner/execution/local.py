"""Experiments in fresh processes on this machine, forked by a helper."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from coolrunner.errors import BackendError
from coolrunner.execution import pinning
from coolrunner.execution.base import Begun, Job, Output, Past, Report
from coolrunner.execution.forker import Forker, Forkers
from coolrunner.execution.memory import Memory
from coolrunner.execution.pooled import Pooled
from coolrunner.execution.running import Running
from coolrunner.execution.slots import THREADS, SlotPool
from coolrunner.execution.wire import make_outcome
from coolrunner.experiment import Slot

__all__ = ["LocalBackend"]

# Seconds; a selector cannot count beyond a few weeks.
_LONGEST_WAIT = 86400.0


class LocalBackend(Pooled):
    """Runs each job in a process of its own.

    Parameters
    ----------
    board
        Where the versions of the user's files are kept.
    directory
        First on the import path of the experiments.
    capture
        Whether what experiments write is reported as `Output`; else they write straight to the
        runner's own standard output and error.
    warm
        Whether installed libraries are imported once, in the helper, where that is safe.
    grace
        Seconds that an experiment has before it is killed: when its time is up, and after its Module
        has returned.
    pool
        The slots; by default one at a time, of the whole process.
    here
        Whether they know what is defined in this process by now, and stands in no file; then nothing is
        imported ahead.
    """

    def __init__(
        self,
        board: pinning.PinBoard,
        directory: str,
        *,
        capture: bool = False,
        warm: bool = True,
        grace: float = 10.0,
        pool: SlotPool | None = None,
        here: bool = False,
    ) -> None:
        super().__init__(pool or SlotPool())
        self._board = board
        self._capture = capture
        self._grace = grace
        self._memory = Memory()
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, Running] = {}
        # A signal that comes in ends a wait.
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._wakeup_before = -1
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._wakeup_before = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        threads = self._pool.usual_threads
        self._forkers = Forkers(
            directory,
            environment={**os.environ, **threads} if threads else None,
            board=board,
            warm=warm and sys.platform == "linux",
            here=here,
            selector=self._selector,
            wake=self._wake,
        )
        if here:  # now, before a console has its thread
            self._forkers.ready(idle=True)

    # --- the backend's verbs, but those for slots ---

    def start(self, job: Job, past: Past) -> None:
        """Start a job in a fresh process."""
        self._warn(job.id, self._board.changes())
        slot = job.slot or Slot()
        try:
            forker = self._forkers.ready(idle=not self._running)
        except BackendError:
            self._pool.release(slot)
            raise
        memory = self._memory.watch(slot.memory)
        ours, theirs = socket.socketpair()
        outputs, written = self._pipes(job)
        running = Running(job, past, forker, memory, ours, outputs, self._grace)
        self._running[job.id] = running
        payload = pickle.dumps((job, memory.group and str(memory.group)), protocol=pickle.HIGHEST_PROTOCOL)
        threads = {name: slot.environment[name] for name in THREADS if name in slot.environment}
        forker.start(job.id, payload, threads, [theirs.fileno(), *written])
        theirs.close()
        for end in written:
            os.close(end)
        self._selector.register(ours, selectors.EVENT_READ, running)
        for pipe in outputs:
            os.set_blocking(pipe, False)
            self._selector.register(pipe, selectors.EVENT_READ, running)

    def give(self, pins: Mapping[str, pinning.Pin]) -> None:
        """Take versions of the user's files that were imported on other machines."""
        self._board.add(pins)
        self._forkers.give(pins)

    def _pipes(self, job: Job) -> tuple[dict[int, int | None], list[int]]:
        """Return the pipes for a job's output: the ends to read, with what to pass it on to; to write."""
        if self._capture:  # in the order in which it is written
            read, write = os.pipe()
            return {read: None}, [write]
        if job.run is None:
            return {}, []
        outputs: dict[int, int | None] = {}
        written = []
        # One pipe for both keeps the order; who reads them apart gets them apart.
        for stream in (1,) if _lead_to_one_place(1, 2) else (1, 2):
            read, write = os.pipe()
            outputs[read] = stream
            written.append(write)
        return outputs, written

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what has happened."""
        if not self._reports:
            self._wait(timeout)
        for running in self._running.values():
            number = running.due_signal()
            if number is not None:
                running.forker.signal(running.job.id, number)
        while self._reports:
            yield self._reports.popleft()

    def interrupt(self, ids: Collection[str] | None = None) -> None:
        """Send SIGINT to the groups of processes of experiments."""
        self._stop(ids, signal.SIGINT)

    def kill(self, ids: Collection[str] | None = None) -> None:
        """Send SIGKILL to the groups of processes of experiments."""
        self._stop(ids, signal.SIGKILL)

    def _stop(self, ids: Collection[str] | None, number: int) -> None:
        for running in self._running.values():
            if ids is None or running.job.id in ids:
                running.interrupted = True
                running.forker.signal(running.job.id, number)

    def close(self) -> None:
        """End everything; a helper kills what still runs when its socket closes."""
        self._forkers.close()
        for running in list(self._running.values()):
            self._forget(running)
        self._pool.close()
        self._memory.close()
        if self._in_main_thread:
            signal.set_wakeup_fd(self._wakeup_before)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    # --- waiting ---

    def _wait(self, timeout: float | None) -> None:
        now = time.monotonic()
        limits = [self._forkers.limit, *(running.limit for running in self._running.values())]
        waits = [limit - now for limit in limits if limit is not None]
        if timeout is not None:
            waits.append(timeout)
        for key, _ in self._selector.select(min(max(min(waits), 0.0), _LONGEST_WAIT) if waits else None):
            if key.fileobj is self._wake:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
                continue
            source: Forker | Running = key.data
            if isinstance(source, Forker):
                self._read_forker(source)
            elif self._running.get(source.job.id) is not source:
                continue  # its end has come out just now
            elif key.fileobj is source.sock:
                self._read_job(source)
            else:
                self._read_output(source, key.fd)
        self._forkers.check()

    def _read_job(self, running: Running, wait: float = 0.0) -> bool:
        """Read what a job has sent; return whether more may come."""
        try:
            messages = running.receive(wait)
        except BlockingIOError:
            return False
        if messages is None:
            if running.sock is not None:
                self._selector.unregister(running.sock)
                running.sock.close()
                running.sock = None
            return False
        for verb, *arguments in messages:
            self._hear(running, verb, *arguments)
        return True

    def _hear(self, running: Running, verb: str, *arguments: Any) -> None:
        if verb == "outcome":
            running.take_outcome(make_outcome(*arguments))
        elif verb == "pins":
            made = {path: pinning.Pin(*pin) for path, pin in arguments[0].items()}
            if made:
                self._warn(running.job.id, self._board.add(made))
                self._forkers.give(made)
        elif verb == "libraries":
            self._forkers.learn(*arguments)
        elif verb in ("past", "count"):
            running.answer(verb, *arguments)

    def _read_output(self, running: Running, pipe: int) -> None:
        data = running.read_output(pipe)
        if data and running.outputs[pipe] is None:
            self._reports.append(Output(running.job.id, data))
        elif data is None:
            self._selector.unregister(pipe)
            os.close(pipe)
            del running.outputs[pipe]

    def _read_forker(self, forker: Forker) -> None:
        messages = self._forkers.receive(forker)
        if messages is None:
            self._lose_all(forker)
            return
        for verb, identity, number in messages:
            running = self._running.get(identity)
            if running is None:
                continue
            if verb == "forked":
                running.pid = number
                self._reports.append(Begun(identity, number))
            elif verb == "exited":
                running.exit = number
                # What is still to be read was sent before; a process that has left the group may hold
                # the socket open.
                while running.outcome is None and self._read_job(running):
                    pass
                self._end(running)

    def _lose_all(self, forker: Forker) -> None:
        """Take leave of what a helper that is gone had started."""
        lost = [running for running in self._running.values() if running.forker is forker]
        for running in lost:
            running.kill_group()
        until = time.monotonic() + self._grace
        for running in lost:
            # At the end of its socket nothing of it runs any more, and it may be started again.
            while running.outcome is None and (left := until - time.monotonic()) > 0:
                if not self._read_job(running, left):
                    break
            if running.outcome is None:
                running.lost()
            self._end(running)

    def _end(self, running: Running) -> None:
        self._reports.extend(Output(running.job.id, data) for data in running.last_output())
        self._forget(running)
        outcome = running.verdict()
        running.settle(outcome)
        self._report_end(running.job, outcome)

    def _forget(self, running: Running) -> None:
        if running.sock is not None:
            self._selector.unregister(running.sock)
        for pipe in running.outputs:
            self._selector.unregister(pipe)
        running.close()
        self._forkers.ended(running.forker, running.job.id)
        del self._running[running.job.id]


def _lead_to_one_place(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same terminal, pipe or file."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:  # one is closed
        return False
