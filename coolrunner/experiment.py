"""One experiment: a resolved configuration that a Module reads, and the results that it adds.

>>> exp = Experiment({"Name": "vgg", "optimizer": {"lr": 0.1}})
>>> exp.optimizer.lr, exp["Name"], "momentum" in exp
(0.1, 'vgg', False)
>>> exp.ACCURACY = 0.93
>>> exp.results
{'ACCURACY': 0.93}
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from coolrunner.errors import ReadOnlyError

__all__ = ["Experiment", "ReadOnlyDict", "ReadOnlyList", "Slot", "freeze", "own_names"]

_HOW = "copy it first, e.g. with dict(...), list(...) or copy.deepcopy(...)"


class ReadOnlyDict(dict[Any, Any]):
    """A nested mapping of an experiment: a dict with attribute access that cannot be changed.

    Its copies (``dict(m)``, ``m.copy()``, ``copy.deepcopy(m)``) are plain and may be changed.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(_missing(name, self)) from None

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyError(f"the inputs of an experiment are read-only; {_HOW}")

    def _refuse_key(self, key: Any, *_: Any) -> NoReturn:
        raise ReadOnlyError(f"{key!r} cannot be changed: the inputs of an experiment are read-only; {_HOW}")

    __ior__ = clear = popitem = update = _refuse
    __setattr__ = __delattr__ = __setitem__ = __delitem__ = pop = setdefault = _refuse_key

    def copy(self) -> dict[Any, Any]:
        """Return a plain dict with the same items."""
        return dict(self)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return (ReadOnlyDict, (dict(self),))

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(key for key in self if isinstance(key, str))]


class ReadOnlyList(list[Any]):
    """A list in an experiment's inputs: a list that cannot be changed. Its copies are plain lists."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyError(f"the inputs of an experiment are read-only; {_HOW}")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def copy(self) -> list[Any]:
        """Return a plain list with the same items."""
        return list(self)

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]

    def __reduce__(self) -> tuple[Any, ...]:
        return (ReadOnlyList, (list(self),))


def freeze(value: Any) -> Any:
    """Return plain data with every mapping and list in it read-only; scalars stay as they are."""
    if isinstance(value, dict):
        if type(value) is ReadOnlyDict:
            return value
        return ReadOnlyDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return value if type(value) is ReadOnlyList else ReadOnlyList(map(freeze, value))
    return value


def _missing(name: str, keys: Iterable[Any]) -> str:
    from coolrunner.errors import nearest

    close = nearest(name, [key for key in keys if isinstance(key, str)])
    return f"there is no key {name!r}" + (f"; did you mean {close!r}?" if close else "")


@dataclass(frozen=True, slots=True)
class Slot:
    """A share of a machine that one experiment may use: ``exp.slot`` in a Module.

    Attributes
    ----------
    number
        Counted from 0; no two experiments that a runner runs at the same time have the same.
    cpus
        Indices of CPUs, as `os.sched_getaffinity` gives them.
    gpus
        Indices or UUIDs of GPUs, as ``CUDA_VISIBLE_DEVICES`` (``ROCR_``, ``HIP_``) names them.
    memory
        In bytes; None where none was asked for.
    environment
        The variables that go with it.
    rank, local_rank, world_size
        Where one experiment runs in several processes on a cluster: which of them this is, counted from 0,
        which of those on its machine, and how many there are.
    """

    number: int = 0
    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    memory: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    rank: int = 0
    local_rank: int = 0
    world_size: int = 1


def _whole_process() -> Slot:
    if hasattr(os, "sched_getaffinity"):
        return Slot(cpus=tuple(sorted(os.sched_getaffinity(0))))
    return Slot(cpus=tuple(range(os.cpu_count() or 1)))


class Experiment:
    """A dict-like experiment: its inputs are read-only, its results are added.

    Parameters
    ----------
    inputs
        The resolved configuration; kept, not copied.
    results
        What was added to it already.
    slot
        Gives what it may use of the machine, when asked for; by default that is the whole process.
    run
        Gives the run that it is part of, when asked for.

    Notes
    -----
    Keys are read by index or by attribute (`exp["lr"]`, `exp.lr`); results are added the same way. A
    method of this class wins over a key of its name by attribute; such a key is reached by index.
    """

    __slots__ = ("_inputs", "_read", "_results", "_run", "_slot")
    _inputs: dict[str, Any]
    _read: set[Any]
    _results: dict[str, Any]
    _run: Callable[[], Any]
    _slot: Callable[[], Slot]

    def __init__(
        self,
        inputs: dict[str, Any],
        results: dict[str, Any] | None = None,
        slot: Callable[[], Slot] = _whole_process,
        run: Callable[[], Any] | None = None,
    ) -> None:
        set_own = object.__setattr__
        set_own(self, "_inputs", inputs)
        set_own(self, "_results", {} if results is None else results)
        set_own(self, "_read", set())
        set_own(self, "_slot", slot)
        set_own(self, "_run", run or _find_run)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The configuration alone."""
        return self._inputs

    @property
    def results(self) -> Mapping[str, Any]:
        """What the Module added, in the order in which it was first written."""
        return self._results

    @property
    def slot(self) -> Slot:
        """What this experiment may use of the machine that it runs on."""
        return self._slot()

    @property
    def run(self) -> Any:
        """The run that this experiment is part of: a `coolrunner.runs.session.Run`.

        Where there is none, in a Module that is called by hand, it is one that keeps nothing.
        """
        return self._run()

    def unread(self) -> list[str]:
        """Return the input keys that nobody has read yet."""
        return [key for key in self._inputs if key not in self._read]

    # --- reading ---

    def __getitem__(self, key: Any) -> Any:
        if key in self._results:
            return self._results[key]
        try:
            value = self._inputs[key]
        except KeyError:
            raise KeyError(_missing(str(key), [*self._inputs, *self._results])) from None
        self._read.add(key)
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` where there is no such key."""
        if key not in self:  # a KeyError would look for the nearest name, for nobody to read
            return default
        return self[key]

    def __contains__(self, key: object) -> bool:
        self._read.add(key)
        return key in self._results or key in self._inputs

    def __iter__(self) -> Iterator[str]:
        self._read.update(self._inputs)
        yield from self._inputs
        yield from self._results

    def __len__(self) -> int:
        return len(self._inputs) + len(self._results)

    def keys(self) -> list[str]:
        """Return the keys: the inputs in their order, then the results."""
        return list(self)

    def values(self) -> list[Any]:
        """Return the values, in the order of `keys`."""
        return [self[key] for key in self]

    def items(self) -> list[tuple[str, Any]]:
        """Return pairs of key and value, in the order of `keys`."""
        return [(key, self[key]) for key in self]

    # --- adding results ---

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._inputs:
            raise ReadOnlyError(
                f"{key!r} is an input of this experiment and cannot be changed; write results under "
                f"another name, such as {key.upper() if key != key.upper() else key + '_RESULT'!r}"
            )
        if not isinstance(key, str):
            raise TypeError(f"the name of a result is a string, not {key!r}")
        self._results[key] = value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in own_names():
            raise ReadOnlyError(f"exp.{name} belongs to the experiment itself; write exp[{name!r}] = ...")
        self[name] = value

    def update(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **more: Any) -> None:
        """Add several results."""
        for key, value in dict(other, **more).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, which is added as a result with `default` if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key: str) -> None:
        if key in self._inputs:
            raise ReadOnlyError(f"{key!r} is an input of this experiment and cannot be removed")
        del self._results[key]

    def __delattr__(self, name: str) -> None:
        if name not in self._results and name not in self._inputs:
            raise AttributeError(_missing(name, [*self._inputs, *self._results]))
        del self[name]

    def __repr__(self) -> str:
        return f"Experiment({ {**self._inputs, **self._results}!r})"

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._inputs, *self._results]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        return self._inputs == other._inputs and self._results == other._results

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Experiment, (self._inputs, dict(self._results)))


def _find_run() -> Any:
    import coolrunner

    return coolrunner.current_run()


_OWN_NAMES: frozenset[str] = frozenset()


def own_names() -> frozenset[str]:
    """Return the names that win over keys of the same name by attribute."""
    global _OWN_NAMES
    if not _OWN_NAMES:
        _OWN_NAMES = frozenset(name for name in vars(Experiment) if not name.startswith("_"))
    return _OWN_NAMES
