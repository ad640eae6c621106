"""An experiment that runs on another machine: what travels there, how it is run there, what comes back.

A `Parcel` holds all that a job needs without its runner, who may be gone when it begins: its configuration
and those results of other experiments that its ``solve`` values ask for. A `Site` carries parcels out where
they have arrived, in fresh processes as `local` does, so that a job means the same wherever it runs. What it
gives back, a `Returned`, is plain data, for it is read by a runner that need not be the one that sent it.
"""

from __future__ import annotations

import ast
import contextlib
import enum
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from coolrunner.errors import BackendError
from coolrunner.execution.base import Ended, Ending, Job, Outcome, Output, Past
from coolrunner.execution.local import LocalBackend
from coolrunner.execution.pinning import Pin, PinBoard
from coolrunner.execution.wire import make_outcome, outcome_fields, plain_loads
from coolrunner.experiment import Experiment, Slot, freeze
from coolrunner.yamlio import to_plain

__all__ = ["Parcel", "Recorded", "Returned", "Site", "Wish", "pack_pins", "record", "unpack_pins"]

# A study whose files are never too new to be taken without a word: their runner says that.
_NEVER = 1 << 63


# --- what travels ---------------------------------------------------------------------------------------


class Recorded(Past):
    """``E`` as it was when a job was sent.

    Parameters
    ----------
    found
        What was asked for by place or by name: inputs and results, as plain data.
    missing
        What cannot be had: why, and whether there is no such place.
    count
        How many experiments stand before the job.
    """

    def __init__(
        self,
        found: Mapping[int | str, tuple[dict[str, Any], dict[str, Any]]],
        missing: Mapping[int | str, tuple[str, bool]],
        count: int,
    ) -> None:
        self._found = dict(found)
        self._missing = dict(missing)
        self._count = count

    def get(self, key: int | str) -> Experiment:
        """Return an experiment with its results."""
        if key in self._found:
            inputs, results = self._found[key]
            return Experiment(freeze(inputs), freeze(results))
        if isinstance(key, int) and -self._count <= key < self._count and key not in self._missing:
            other = key + self._count if key < 0 else key - self._count
            if other in self._found or other in self._missing:
                return self.get(other)
        if key in self._missing:
            error, is_outside = self._missing[key]
            raise (IndexError if is_outside else LookupError)(error)
        if isinstance(key, int) and not -self._count <= key < self._count:
            raise IndexError(f"E[{key}]: there are {self._count} experiments before this one")
        raise LookupError(f"E[{key!r}] was not known to be asked for when the experiment was sent")

    def __len__(self) -> int:
        return self._count


def record(inputs: Mapping[str, Any], past: Past) -> Recorded:
    """Return what the ``solve`` values of an experiment ask ``E`` for, as it stands now.

    Where it shows only on evaluation what is asked for, everything before the experiment is taken, and what
    its own values name.
    """
    from coolrunner.definition.expressions import parse_expression  # here: only runners do this
    from coolrunner.definition.templates import SOLVE_MARK, marked

    keys: dict[int | str, None] = {}
    count: int | None = None
    everything = False
    for _, text in marked(inputs, SOLVE_MARK):
        expression = text[len(SOLVE_MARK) :]
        if "E" not in expression:
            continue
        try:
            tree = parse_expression(expression)
        except SyntaxError:  # it fails where it is evaluated
            continue
        for node in _uses_of_past(tree):
            count = len(past) if count is None else count
            asked = _asked(node, count)
            everything = everything or asked is None
            keys.update(dict.fromkeys(asked or ()))
    if everything:
        keys.update(dict.fromkeys(range(count or 0)))
        keys.update((text, None) for text in _texts(inputs) if text not in keys)
    found: dict[int | str, tuple[dict[str, Any], dict[str, Any]]] = {}
    missing: dict[int | str, tuple[str, bool]] = {}
    for key in keys:
        try:
            experiment = past.get(key)
            found[key] = (to_plain(experiment.inputs), to_plain(experiment.results))
        except LookupError as error:
            missing[key] = (str(error.args[0]) if error.args else "not found", isinstance(error, IndexError))
    return Recorded(found, missing, count or 0)


def _uses_of_past(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield each use of ``E``: its subscript or the call of `len` around it, else the bare name."""
    for node in ast.iter_child_nodes(tree):
        inner = node.value if isinstance(node, ast.Subscript) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            inner = node.args[0] if len(node.args) == 1 else None
        if isinstance(inner, ast.Name) and inner.id == "E":
            yield node
            if isinstance(node, ast.Subscript):
                yield from _uses_of_past(node.slice)
        elif isinstance(node, ast.Name) and node.id == "E":
            yield node
        else:
            yield from _uses_of_past(node)


def _asked(node: ast.AST, count: int) -> list[int | str] | None:
    """Return the places and names that one use of ``E`` asks for; None where that does not show."""
    if isinstance(node, ast.Call):
        return []
    if not isinstance(node, ast.Subscript):
        return None
    try:
        if isinstance(node.slice, ast.Slice):
            part = node.slice
            lower, upper, step = (
                end and ast.literal_eval(end) for end in (part.lower, part.upper, part.step)
            )
            return list(range(*slice(lower, upper, step).indices(count)))
        key = ast.literal_eval(node.slice)
    except (ValueError, TypeError):
        return None
    return [key] if type(key) in (int, str) else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job with all that it needs on another machine.

    Attributes
    ----------
    job
        The job; its slot has what is known of it before it has a machine.
    past
        ``E`` for its ``solve`` values.
    directory
        The directory of the project: first on the import path, and what relative paths mean.
    grace
        Seconds that the experiment has before it is killed.
    token
        What tells it from another parcel of the same experiment.
    """

    job: Job
    past: Recorded
    directory: str
    grace: float = 10.0
    token: str = ""

    def pack(self) -> bytes:
        """Return it as bytes, for a process of the same study alone: they are a pickle."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpack(cls, data: bytes) -> Parcel:
        """Return the parcel that `pack` gave; never to be called with bytes from anywhere else."""
        parcel = pickle.loads(data)
        if not isinstance(parcel, cls):
            raise TypeError(f"a parcel was expected, not a {type(parcel).__name__}")
        return parcel


@dataclass(slots=True)
class Returned:
    """What comes back of a parcel.

    Attributes
    ----------
    outcome
        What came of the job.
    pins
        The files of the project that it was the first to import.
    facts
        What its site knows beside, as plain data.
    """

    outcome: Outcome
    pins: Mapping[str, Pin] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return it as bytes, which hold plain data."""
        content = (outcome_fields(self.outcome), pack_pins(self.pins), self.facts)
        return pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpack(cls, data: bytes) -> Returned:
        """Return what `pack` was called on; from whomever they come, they are read as plain data.

        Raises
        ------
        ValueError
            They are something else.
        """
        try:
            outcome, pins, facts = plain_loads(data)
            return cls(make_outcome(outcome), unpack_pins(pins), dict(facts))
        except Exception as error:  # a broken pickle may raise anything
            raise ValueError(f"no outcome can be read: {error}") from None


def pack_pins(pins: Mapping[str, Pin]) -> dict[str, tuple[Any, ...]]:
    """Return pins as plain data."""
    return {path: astuple(pin) for path, pin in pins.items()}


def unpack_pins(packed: Mapping[str, tuple[Any, ...]]) -> dict[str, Pin]:
    """Return the pins that `pack_pins` was given."""
    return {path: Pin(*pin) for path, pin in packed.items()}


# --- how it is run there --------------------------------------------------------------------------------


class Wish(enum.Enum):
    """What is wanted of a job that runs."""

    GO_ON = enum.auto()
    INTERRUPT = enum.auto()
    KILL = enum.auto()


class Site:
    """Carries out parcels of one study, one after the other, each in a fresh process.

    Parameters
    ----------
    directory, grace
        As for a `Parcel`.
    warm
        Whether libraries are imported once for all parcels, where that is safe.
    ignores
        Signals that are for this process alone: they are ignored in all that it starts, for an engine
        sends them to each of its processes.
    here
        Whether experiments are forked from this very process, which must be small and have no threads.
    """

    def __init__(
        self,
        directory: str,
        *,
        grace: float = 10.0,
        warm: bool = True,
        ignores: Sequence[int] = (),
        here: bool = False,
    ) -> None:
        self._ignores = ignores
        self._board = PinBoard(_NEVER)
        with _ignored(ignores):
            self._backend = LocalBackend(
                self._board, directory, capture=True, warm=warm, grace=grace, here=here
            )
        self._grace = grace

    def give(self, pins: Mapping[str, Pin]) -> None:
        """Take the versions of the project's files that other processes of the study have imported."""
        self._backend.give({path: pin for path, pin in pins.items() if path not in self._board.pins})

    def carry_out(
        self,
        parcel: Parcel,
        slot: Slot | None = None,
        hear: Callable[[bytes], None] | None = None,
        wish: Callable[[], Wish] | None = None,
        every: float | None = None,
    ) -> Returned:
        """Run a job to its end.

        Parameters
        ----------
        parcel
            The job.
        slot
            What it may use of this machine; by default what the job says.
        hear
            Is given what the experiment writes, as it comes.
        wish
            Is asked what is wanted, after every signal that this process gets: the job is then asked to stop
            once, or killed. It is also killed once its grace has passed.
        every
            Seconds after which `wish` is asked in any case; None for signals alone.
        """
        before = set(self._board.pins)
        job = replace(parcel.job, slot=slot or parcel.job.slot)
        try:
            with _ignored(self._ignores):
                self._backend.start(job, parcel.past)
        except BackendError as error:
            lost = Outcome(Ending.LOST, error=str(error), kind="lost", started=time.time())
            return Returned(lost)
        outcome: Outcome | None = None
        kill_at: float | None = None
        while outcome is None:
            waits = [wait for wait in (every, kill_at and max(kill_at - time.monotonic(), 0.0)) if wait]
            for report in self._backend.reports(min(waits, default=None if kill_at is None else 0.0)):
                if isinstance(report, Output) and hear is not None:
                    hear(report.data)
                elif isinstance(report, Ended):
                    outcome = report.outcome
            wanted = wish() if wish is not None else Wish.GO_ON
            if wanted is Wish.INTERRUPT and kill_at is None:
                kill_at = time.monotonic() + self._grace
                self._backend.interrupt({job.id})
            elif wanted is Wish.KILL or (kill_at is not None and time.monotonic() >= kill_at):
                kill_at = time.monotonic() + 1.0  # again, should it be in a place where it cannot be killed
                self._backend.kill({job.id})
        made = {path: pin for path, pin in self._board.pins.items() if path not in before}
        return Returned(outcome, made, {"host": os.uname().nodename})

    def close(self) -> None:
        """End whatever still runs."""
        self._backend.close()


@contextlib.contextmanager
def _ignored(numbers: Sequence[int]) -> Iterator[None]:
    """Ignore signals for a moment, and so in what is started meanwhile."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
