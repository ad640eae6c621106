"""The files through which a runner and jobs on other machines speak, below a directory that all of them see.

```text
<root>/.jobs/
    jobs/<ID>/waiting        the parcel, until a machine begins with it (or the runner takes it back)
    jobs/<ID>/begun          the same, once a machine has begun
    jobs/<ID>/about.json     what a later runner has to know to find it: the engine's job, the run directory
    jobs/<ID>/alive          touched every few seconds while it runs
    jobs/<ID>/output         what the experiment has written
    jobs/<ID>/stop           what its runner wants of it: interrupt or kill
    jobs/<ID>/failed-<rank>  what went wrong with another process of it than the first
    ended/<ID>               what came of it
    code/<session>/          the project's files, as the jobs of one runner have imported them
    batches/<name>/          what was handed to the engine together
```

A file appears whole or not at all. `waiting` is renamed by the machine that begins and by the runner that
takes it back, so that of the two only one has it: an experiment begins once, or never. What came of it is
plain data, and it alone is the truth about how a job ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from coolrunner.definition.names import RUNNER_KEYS
from coolrunner.execution.detached import Parcel, Returned, Wish, pack_pins, unpack_pins
from coolrunner.execution.pinning import Pin
from coolrunner.execution.wire import plain_loads
from coolrunner.runs.attempts import Order
from coolrunner.runs.directory import write_whole
from coolrunner.runs.root import Ticket
from coolrunner.yamlio import dump

__all__ = ["BEAT", "JOBS", "JobFiles", "JobsDirectory", "make_order", "order_data", "same_as"]

#: The name of the directory, in a root of runs.
JOBS = ".jobs"
#: Seconds between two touches of a job that lives.
BEAT = 5.0
# Of the runner's keys, those that say what an experiment is.
_WHAT = ("Name", "Module", "Run", "Command")
_STOPS = {Wish.INTERRUPT: b"interrupt", Wish.KILL: b"kill"}


def same_as(inputs: Mapping[str, Any]) -> str:
    """Return one text for all experiments that are the same, but for how they are to be run."""
    said = {key: value for key, value in inputs.items() if key not in RUNNER_KEYS or key in _WHAT}
    return hashlib.sha256(dump(said).encode()).hexdigest()


def order_data(order: Order | None) -> dict[str, Any] | None:
    """Return an order as plain data of JSON."""
    if order is None:
        return None
    data = asdict(order)
    ticket = order.ticket._asdict()
    data["ticket"] = {**ticket, "where": str(order.ticket.where), "time": order.ticket.time.isoformat()}
    return data


def make_order(data: Mapping[str, Any] | None) -> Order | None:
    """Return the order that `order_data` was given."""
    if data is None:
        return None
    ticket = data["ticket"]
    where, begun = Path(ticket["where"]), datetime.fromisoformat(ticket["time"])
    return Order(**{**data, "ticket": Ticket(**{**ticket, "where": where, "time": begun})})


class JobsDirectory:
    """All jobs of a root.

    Parameters
    ----------
    path
        Its path; it is made when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended = path / "ended"

    def make(self) -> None:
        """Make it."""
        self._ended.mkdir(parents=True, exist_ok=True)

    def job(self, identity: str) -> JobFiles:
        """Return the files of one job, which may not exist."""
        return JobFiles(self, identity)

    def known(self) -> Iterator[JobFiles]:
        """Yield the jobs that are there."""
        with contextlib.suppress(OSError), os.scandir(self.path / "jobs") as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                job = self.job(unquote(entry.name))
                if job.about_path.exists():
                    yield job

    def ended(self) -> set[str]:
        """Return the IDs of the jobs that have left what came of them."""
        try:
            return {unquote(name) for name in os.listdir(self._ended)}  # noqa: PTH208 - looked at often
        except OSError:
            return set()

    def ended_path(self, identity: str) -> Path:
        """Return the file for what came of a job."""
        return self._ended / _name(identity)

    def new_batch(self) -> Path:
        """Make a directory for what is handed to the engine together."""
        path = self.path / "batches" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(4).hex()}"
        path.mkdir(parents=True)
        return path

    # --- the code of one runner's jobs ---

    def keep_pins(self, session: str, pins: Mapping[str, Pin]) -> None:
        """Keep versions of files for other jobs of a session; the first version of a file stays."""
        place = self.path / "code" / session
        place.mkdir(parents=True, exist_ok=True)
        for path, pin in pins.items():
            name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
            if (place / name).exists():
                continue
            fresh = place / f".{name}-{os.urandom(4).hex()}"
            fresh.write_bytes(pickle.dumps(pack_pins({path: pin})))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, place / name)
            fresh.unlink()

    def pins(self, session: str) -> dict[str, Pin]:
        """Return the versions that are kept of a session."""
        pins: dict[str, Pin] = {}
        with contextlib.suppress(FileNotFoundError):
            for file in (self.path / "code" / session).iterdir():
                if not file.name.startswith("."):
                    pins.update(unpack_pins(plain_loads(file.read_bytes())))
        return pins

    def forget(self, names: Iterable[str]) -> None:
        """Remove what is kept of sessions and batches, but for what a job that is there goes by."""
        abouts = [job.about() or {} for job in self.known()]
        needed = {Path(str(about.get(key, ""))).name for about in abouts for key in ("session", "batch")}
        for name in {Path(name).name for name in names} - needed - {""}:
            for kind in ("code", "batches"):
                shutil.rmtree(self.path / kind / name, ignore_errors=True)


def _name(identity: str) -> str:
    """Return the name of a file for an ID, which a person may have chosen."""
    name = quote(identity, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


class JobFiles:
    """The files of one job.

    Parameters
    ----------
    jobs
        Where it is.
    identity
        Its ID.
    """

    def __init__(self, jobs: JobsDirectory, identity: str) -> None:
        self.id = identity
        self.path = jobs.path / "jobs" / _name(identity)
        self.about_path = self.path / "about.json"
        self.alive = self.path / "alive"
        self.output = self.path / "output"
        self.ended = jobs.ended_path(identity)
        self._waiting = self.path / "waiting"
        self._begun = self.path / "begun"
        self._stop = self.path / "stop"
        self._beaten = float("-inf")

    # --- the runner's side ---

    def send(self, parcel: Parcel, about: Mapping[str, Any]) -> None:
        """Write down a job that is to be handed over; whatever was left of it before is removed."""
        self.remove()
        self.path.mkdir(parents=True)
        self.write_about(about)
        write_whole(self._waiting, parcel.pack())

    def write_about(self, about: Mapping[str, Any]) -> None:
        """Write down what a later runner has to know of it."""
        write_whole(self.about_path, json.dumps(dict(about)).encode())

    def about(self) -> dict[str, Any] | None:
        """Return what is written down of it; None where there is no such job."""
        try:
            about = json.loads(self.about_path.read_bytes())
        except (OSError, ValueError):
            return None
        return about if isinstance(about, dict) else None

    def take_back(self) -> bool:
        """Take it back from the engine; False where a machine has begun with it."""
        try:
            self._waiting.unlink()
        except FileNotFoundError:
            return False
        return True

    def is_waiting(self) -> bool:
        """Whether no machine has begun with it, and nobody has taken it back."""
        return self._waiting.exists()

    def has_begun(self) -> bool:
        """Whether a machine has begun with it."""
        return self._begun.exists()

    def want(self, wish: Wish) -> None:
        """Write down what is wanted of it."""
        with contextlib.suppress(FileNotFoundError):
            write_whole(self._stop, _STOPS[wish])

    def returned(self) -> Returned | None:
        """Return what came of it; None where nothing has come.

        Raises
        ------
        ValueError
            It cannot be read.
        """
        try:
            data = self.ended.read_bytes()
        except OSError:
            return None
        return Returned.unpack(data)

    def failure(self) -> tuple[int, Returned] | None:
        """Return the rank that failed first among the other ones, and what it said; None for none."""
        told: list[tuple[int, int, Path]] = []
        with contextlib.suppress(OSError):
            for path in self.path.glob("failed-*"):
                told.append((path.stat().st_mtime_ns, int(path.name.rpartition("-")[2]), path))
        for _, rank, path in sorted(told):
            with contextlib.suppress(OSError, ValueError):
                return rank, Returned.unpack(path.read_bytes())
        return None

    def remove(self) -> None:
        """Remove it, with what came of it."""
        with contextlib.suppress(OSError):
            self.ended.unlink()
        if self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    # --- the side of the machine that runs it ---

    def begin(self, *, again: bool = False) -> Parcel | None:
        """Take the parcel; None where it was taken back, or has ended.

        Parameters
        ----------
        again
            Whether this is the engine's second start of the same job, so that it may have begun before.
        """
        if self.ended.exists():
            return None
        try:
            self._waiting.rename(self._begun)
        except FileNotFoundError:
            if not again or not self._begun.exists():
                return None
        return Parcel.unpack(self._begun.read_bytes())

    def beat(self) -> None:
        """Show that it lives; to be called often."""
        now = time.monotonic()
        if now - self._beaten >= BEAT:
            self._beaten = now
            with contextlib.suppress(OSError):
                self.alive.touch()

    def wish(self) -> Wish:
        """Return what its runner wants of it."""
        try:
            said = self._stop.read_bytes()
        except OSError:
            return Wish.GO_ON
        return next((wish for wish, word in _STOPS.items() if word == said), Wish.GO_ON)

    def note_failure(self, rank: int, returned: Returned) -> None:
        """Write down what went wrong with a process of another rank than the first."""
        write_whole(self.path / f"failed-{rank}", returned.pack())

    def end(self, returned: Returned) -> None:
        """Write down what came of it."""
        write_whole(self.ended, returned.pack())
