"""The actor that gives experiments to Ray: it owns their tasks, and keeps what came of them for a runner.

A task ends with the process that owns it. A runner may be killed while its experiments are to go on, so their
tasks are owned by an actor of the cluster, one for each runner. It keeps what came of an experiment until its
runner, or a later one that has taken the experiment up, has written that down.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.detached import Returned, Wish, pack_pins
from coolrunner.execution.ray.hand import Errand, carry_out

__all__ = ["Keeper", "Message"]

#: What happened, in order: a number, what it is, the experiment's ``ID``, and what goes with it.
Message = tuple[int, str, str, bytes]

# Seconds: a runner listens anew after so many without news; one that has not done so for so many is gone;
# between two looks whether all is over.
_SILENCE, _GONE, _LOOK = 20.0, 300.0, 30.0
# Bytes of output that are kept for a runner that does not listen.
_MUCH = 1 << 24
# How often a process is asked to kill an experiment, before Ray is to kill the process.
_ASKED = 2


@dataclass(slots=True)
class _Task:
    """An experiment that Ray has been given.

    Attributes
    ----------
    reference
        Of what it will return.
    hand
        The name of the process that runs it; empty before it has begun.
    host
        Its machine.
    kills
        How often it was to be killed.
    stopped
        Whether it was asked to stop.
    over
        Set once it has ended.
    returned
        What came of it.
    began
        When it was given to Ray, or has begun; seconds since the epoch.
    """

    reference: Any
    hand: str = ""
    host: str = ""
    kills: int = 0
    stopped: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    returned: bytes = b""
    began: float = field(default_factory=time.time)


class Keeper:
    """See above; its methods run in one event loop.

    Parameters
    ----------
    name
        By which Ray knows it.
    stays
        Whether it is to end by itself, once its runner is gone and nothing is kept for another.
    """

    def __init__(self, name: str, *, stays: bool) -> None:
        self._ray = importlib.import_module("ray")
        self._name = name
        self._carry_out = self._ray.remote(max_retries=0, max_calls=0)(carry_out)
        self._tasks: dict[str, _Task] = {}
        self._followers: set[asyncio.Task[None]] = set()
        self._messages: list[Message] = []
        self._number = 0
        self._news = asyncio.Event()
        self._kept_output = 0
        self._wishes: defaultdict[str, asyncio.Queue[tuple[str, str]]] = defaultdict(asyncio.Queue)
        self._pins: list[dict[str, tuple[Any, ...]]] = []
        self._pinned: set[str] = set()
        self._heard = time.monotonic()
        self._stays = stays
        self._watch: asyncio.Task[None] | None = None

    # --- the runner's side ---

    async def start(self, identity: str, parcel: bytes, options: Mapping[str, Any], **how: Any) -> None:
        """Give an experiment to Ray.

        Parameters
        ----------
        identity
            Its ``ID``.
        parcel
            The parcel, packed.
        options
            What it needs, in Ray's terms.
        how
            Other fields of its `coolrunner.execution.ray.hand.Errand`.
        """
        if self._stays and self._watch is None:
            self._watch = asyncio.ensure_future(self._end_when_over())
        errand = Errand(self._name, parcel, len(self._pins), **how)
        task = _Task(self._carry_out.options(**options).remote(errand))
        self._tasks[identity] = task
        follower = asyncio.ensure_future(self._follow(identity, task))
        self._followers.add(follower)
        follower.add_done_callback(self._followers.discard)

    async def listen(self, heard: int) -> list[Message]:
        """Wait for news, a while; what was `heard`, up to that number, is written down and forgotten."""
        self._heard = time.monotonic()
        self._forget(heard)
        if not self._messages:
            self._news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _SILENCE)
            self._heard = time.monotonic()
        return list(self._messages)

    async def follow(self, identity: str) -> bytes:
        """Wait for the end of an experiment that an earlier runner has started; empty where there is none."""
        task = self._tasks.get(identity)
        if task is None:
            return b""
        await task.over.wait()
        return task.returned

    async def has(self, identity: str) -> bool:
        """Whether it has an experiment, be it one that has ended."""
        return identity in self._tasks

    async def forget(self, identity: str) -> None:
        """Forget an experiment that another runner has followed to its end."""
        self._tasks.pop(identity, None)
        self._messages = [message for message in self._messages if message[2] != identity]

    async def want(self, identities: Sequence[str] | None, wish: str) -> None:
        """Have experiments stop, all or these."""
        for identity, task in list(self._tasks.items()):
            if (identities is None or identity in identities) and not task.over.is_set():
                self._tell(identity, task, wish)

    def _tell(self, identity: str, task: _Task, wish: str) -> None:
        task.stopped = True
        task.kills += wish == Wish.KILL.name
        if task.kills > _ASKED:
            self._ray.cancel(task.reference, force=True)
        elif task.hand:
            self._wishes[task.hand].put_nowait((identity, wish))
        else:
            self._ray.cancel(task.reference)

    async def close(self) -> None:
        """Kill what still runs, and wait for the end of it."""
        for _ in range(_ASKED + 1):
            left = [task.over.wait() for task in self._tasks.values() if not task.over.is_set()]
            if not left:
                return
            await self.want(None, Wish.KILL.name)
            await asyncio.wait([asyncio.ensure_future(wait) for wait in left], timeout=3.0)

    # --- the side of the processes that do the work ---

    async def began(self, identity: str, hand: str, host: str) -> None:
        """Take note that a process has begun with an experiment."""
        task = self._tasks.get(identity)
        if task is None:
            return
        task.hand, task.host, task.began = hand, host, time.time()
        if task.stopped:  # Ray may have been asked too late to cancel it
            self._wishes[hand].put_nowait((identity, Wish.KILL.name if task.kills else Wish.INTERRUPT.name))

    async def pins(self, known: int) -> list[dict[str, tuple[Any, ...]]]:
        """Return the versions of the project's files that a process lacks which has taken so many lots."""
        return self._pins[known:]

    async def heard(self, identity: str, data: bytes) -> None:
        """Take output of an experiment."""
        self._say("output", identity, data)

    async def wishes(self, hand: str) -> tuple[str, str]:
        """Wait for what a process is to do: the ``ID`` of an experiment, and a name of a `Wish`."""
        return await self._wishes[hand].get()

    # --- what comes back ---

    async def _follow(self, identity: str, task: _Task) -> None:
        try:
            packed = await task.reference
            packed = self._take(identity, packed)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            packed = Returned(self._broken(task, error), {}, {"broken": True}).pack()
        task.returned = packed
        self._wishes.pop(task.hand, None) if task.kills > _ASKED else None
        self._say("ended", identity, packed)
        task.over.set()

    def _take(self, identity: str, packed: bytes) -> bytes:
        """Take notice of the versions of files that came back."""
        returned = Returned.unpack(packed)
        fresh = {path: pin for path, pin in returned.pins.items() if path not in self._pinned}
        if fresh:
            self._pinned.update(fresh)
            self._pins.append(pack_pins(fresh))
        return packed

    def _broken(self, task: _Task, error: BaseException) -> Outcome:
        """Say what became of an experiment whose process returned nothing."""
        named = {kind.__name__ for kind in type(error).__mro__}
        told = str(error).strip() or type(error).__name__
        first = told.splitlines()[0].rstrip(".: ")
        where = f" on {task.host}" if task.host else ""
        ending, kind, words = Ending.LOST, "lost", f"its process{where} is gone: {first}"
        if task.stopped:
            ending, kind, words = Ending.INTERRUPTED, "interrupted", "it was stopped"
        elif "OutOfMemoryError" in named:
            ending, kind = Ending.FAILED, "memory"
            words = f"Ray has killed its process{where} for want of memory"
        elif "NodeDiedError" in named:
            words = f"its node{where} is gone"
        elif named & {"RayTaskError", "RuntimeEnvSetupError", "TaskUnschedulableError"}:
            ending, kind, words = Ending.FAILED, "exception", told.splitlines()[-1]
        outcome = Outcome(ending, error=words, kind=kind, started=task.began)
        outcome.elapsed = time.time() - task.began if task.hand else 0.0
        outcome.traceback = told if kind == "exception" else ""
        return outcome

    def _say(self, verb: str, identity: str, data: bytes) -> None:
        self._number += 1
        self._messages.append((self._number, verb, identity, data))
        if verb == "output":
            self._kept_output += len(data)
            while self._kept_output > _MUCH:
                place = next(i for i, message in enumerate(self._messages) if message[1] == "output")
                self._kept_output -= len(self._messages.pop(place)[3])
        self._news.set()

    def _forget(self, heard: int) -> None:
        count = 0
        for number, verb, identity, data in self._messages:
            if number > heard:
                break
            count += 1
            if verb == "output":
                self._kept_output -= len(data)
            else:
                self._tasks.pop(identity, None)
        del self._messages[:count]

    async def _end_when_over(self) -> None:
        while self._tasks or time.monotonic() - self._heard < _GONE:
            await asyncio.sleep(_LOOK)
        os._exit(0)
