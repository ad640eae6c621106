"""What a process of Ray does: it carries out the experiments that its keeper gives it, one after the other.

The process is Ray's, with threads and a history, so that an experiment is forked from a helper of ours beside
it, as everywhere. The helper ends with the process: what Ray kills leaves nothing behind.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.detached import Parcel, Returned, Site, Wish, unpack_pins
from coolrunner.execution.ray.cluster import NAMESPACE
from coolrunner.execution.ray.travel import Luggage
from coolrunner.experiment import Slot

__all__ = ["Errand", "carry_out"]

# What an experiment must find as Ray has set it for its task.
_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
# Seconds for which output is gathered before it is passed on, and bytes after which it is not.
_GATHER, _MUCH = 0.1, 1 << 16
# Seconds after which a keeper is told that an experiment has begun.
_SHORT = 0.1
_hand: _Hand | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """What travels with a parcel.

    Attributes
    ----------
    keeper
        The name of the actor that sent it.
    parcel
        The parcel, packed.
    pins
        How many lots of versions of the project's files the keeper has.
    warm
        Whether libraries are imported once for all parcels.
    copied
        Whether the project was copied to this machine: what the experiment writes is then sent back.
    earlier
        What an attempt that is gone on with has left in its run directory, where that is not here.
    """

    keeper: str
    parcel: bytes
    pins: int = 0
    warm: bool = True
    copied: bool = False
    earlier: bytes = b""


def carry_out(errand: Errand) -> bytes:
    """Run the experiment of a parcel; return what came of it, packed."""
    global _hand
    parcel = Parcel.unpack(errand.parcel)
    directory = os.getcwd() if errand.copied else parcel.directory  # noqa: PTH109 - as a string, for sys.path
    if not Path(directory).is_dir():
        return Returned(_homeless(directory)).pack()
    key = (errand.keeper, directory)
    if _hand is None or _hand.key != key:
        if _hand is not None:
            _hand.close()
        _hand = _Hand(key, errand, parcel.grace)
    return _hand.work(errand, parcel)


def _homeless(directory: str) -> Outcome:
    error = (
        f"{os.uname().nodename} has no {directory}; use a directory that all nodes see, or let it travel: "
        "Global.ray: {runtime_env: {working_dir: .}}"
    )
    return Outcome(Ending.FAILED, error=error, kind="exception", started=time.time())


class _Hand:
    """This process, in the service of one keeper.

    Parameters
    ----------
    key
        The keeper's name, and the directory of the project.
    errand
        The first one.
    grace
        Seconds that an experiment has before it is killed.
    """

    def __init__(self, key: tuple[str, str], errand: Errand, grace: float) -> None:
        self.key = key
        self._ray = importlib.import_module("ray")
        self._keeper = self._ray.get_actor(errand.keeper, namespace=NAMESPACE)
        self._name = os.urandom(8).hex()
        self._wishes: dict[str, Wish] = {}
        self._current = ""
        self._pins = 0
        os.chdir(key[1])  # what relative paths mean
        signal.signal(signal.SIGUSR2, lambda *_: None)  # it ends a wait
        self._site = Site(key[1], grace=grace, warm=errand.warm)
        self._listener: threading.Thread | None = None

    def close(self) -> None:
        """End whatever still runs."""
        self._site.close()

    def work(self, errand: Errand, parcel: Parcel) -> bytes:
        """Carry out a parcel."""
        self._current = parcel.job.id
        self._wishes.clear()
        # Most are over before anybody could want them to stop.
        begun = threading.Timer(_SHORT, self._say_begun, [parcel.job.id])
        begun.daemon = True
        begun.start()
        if self._listener is None:
            self._listener = threading.Thread(target=self._listen, name="wishes", daemon=True)
            self._listener.start()
        self._take_pins(errand.pins)
        words = _Words(self._keeper, parcel.job.id)
        luggage = Luggage(parcel.job.run, errand.earlier) if errand.copied else None
        if luggage is not None:
            parcel = replace(parcel, job=replace(parcel.job, run=luggage.order))
        # Ray's way to cancel what had not begun when it was asked to, and has begun since.
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            returned = self._site.carry_out(parcel, _slot(self._ray, parcel), words.hear, self._wish)
        finally:
            signal.signal(signal.SIGINT, before)
            begun.cancel()
        self._current = ""
        returned.facts["output"] = words.finish(self._ray)
        if luggage is not None:
            returned.facts["luggage"] = luggage.pack()
        return returned.pack()

    def _take_pins(self, count: int) -> None:
        if count > self._pins:
            for packed in self._ray.get(self._keeper.pins.remote(self._pins)):
                self._site.give(unpack_pins(packed))
            self._pins = count

    def _say_begun(self, identity: str) -> None:
        self._keeper.began.remote(identity, self._name, os.uname().nodename)

    # --- being told ---

    def _wish(self) -> Wish:
        return self._wishes.get(self._current, Wish.GO_ON)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._wishes.setdefault(self._current, Wish.INTERRUPT)

    def _listen(self) -> None:
        while True:
            try:
                identity, wish = self._ray.get(self._keeper.wishes.remote(self._name))
            except Exception:  # the keeper is gone, and Ray ends this process
                identity, wish = self._current, Wish.KILL.name
                if not identity:
                    return
                time.sleep(1.0)
            self._wishes[identity] = Wish[wish]
            _thread.interrupt_main(signal.SIGUSR2)


class _Words:
    """What an experiment writes, on its way to its keeper.

    Parameters
    ----------
    keeper
        The keeper's handle.
    identity
        The experiment's ``ID``.
    """

    def __init__(self, keeper: Any, identity: str) -> None:
        self._keeper = keeper
        self._identity = identity
        self._gathered = bytearray()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._last: Any = None

    def hear(self, data: bytes) -> None:
        """Take what it wrote."""
        with self._lock:
            self._gathered += data
            if len(self._gathered) < _MUCH and self._timer is None:
                self._timer = threading.Timer(_GATHER, self._send)
                self._timer.daemon = True
                self._timer.start()
        if len(self._gathered) >= _MUCH:
            self._send()

    def _send(self) -> None:
        with self._lock:
            self._timer = None
            if self._gathered:
                self._last = self._keeper.heard.remote(self._identity, bytes(self._gathered))
                self._gathered.clear()

    def finish(self, ray: Any) -> bytes:
        """Return what was not sent yet, once the keeper has all that was."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            rest = bytes(self._gathered)
            self._gathered.clear()
        if self._last is not None:
            with contextlib.suppress(Exception):
                ray.get(self._last)
        return rest


def _slot(ray: Any, parcel: Parcel) -> Slot:
    """Return what Ray has given to the task, in addition to what is known of its slot."""
    given = parcel.job.slot or Slot()
    seen: Mapping[str, str] = {name: os.environ[name] for name in _GPUS if name in os.environ}
    assigned = tuple(map(str, ray.get_runtime_context().get_accelerator_ids().get("GPU", ())))
    return replace(given, gpus=given.gpus or assigned, environment={**seen, **given.environment})
