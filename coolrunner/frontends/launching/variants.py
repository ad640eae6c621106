"""Variants: configurations that differ in some values, and the files that hand them to a script.

The names are those that the users of rlpyt and exptools know. A variant is kept as JSON in
``variant_config.json``, in the directory that all runs with these values share.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coolrunner.errors import BadNameError, NotPlainError, UsageError, nearest
from coolrunner.runs.names import parts_of

__all__ = [
    "FILE",
    "AttrDict",
    "UnknownKeyError",
    "VariantError",
    "VariantLevel",
    "load_variant",
    "make_variants",
    "save_variant",
    "update_config",
]

#: The name of the file.
FILE = "variant_config.json"


class VariantError(UsageError, ValueError):
    """A level of variants makes no sense; the message says which, and what was expected."""


class UnknownKeyError(UsageError, KeyError):
    """A variant has a key that the default configuration lacks."""

    __str__ = Exception.__str__  # a KeyError shows its message as code


class MismatchError(UsageError, TypeError):
    """Where a variant has a mapping the default configuration has none, or the other way round."""


class AttrDict(dict[Any, Any]):
    """A dict whose values are attributes as well, at every depth.

    Mappings that it is given become such dicts too, also those in lists. A method of `dict` wins over a key
    of its name (``items``): such a value is reached by its key alone.

    >>> config = AttrDict(optimizer={"lr": 0.1})
    >>> config.optimizer.lr = 0.2
    >>> config["optimizer"]
    {'lr': 0.2}
    """

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.update(*args, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, _attributed(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take over the items of a mapping, or pairs, as `dict.update` does."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return a value, which is set where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> AttrDict:  # type: ignore[misc]
        self.update(other)
        return self

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            close = nearest(name, [key for key in self if isinstance(key, str)])
            hint = f"; did you mean {close!r}?" if close else ""
            raise AttributeError(f"there is no key {name!r}{hint}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"there is no key {name!r}") from None

    def copy(self) -> AttrDict:
        """Return a copy, with copies of the dicts of this kind that it holds; all else is shared."""
        return type(self)({k: v.copy() if isinstance(v, AttrDict) else v for k, v in self.items()})

    def __copy__(self) -> AttrDict:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(key for key in self if isinstance(key, str))]


def _attributed(value: Any) -> Any:
    """Return plain mappings, also in lists, as what can be reached by attributes."""
    if type(value) is dict:
        return AttrDict(value)
    if type(value) in (list, tuple) and any(isinstance(item, (dict, list, tuple)) for item in value):
        return type(value)(map(_attributed, value))
    return value


class VariantLevel(NamedTuple):
    """Settings that belong together; `make_variants` crosses several levels.

    Attributes
    ----------
    keys
        Paths into the configuration, each a tuple such as ``("optimizer", "lr")``.
    values
        Lists of values, each with one for every key.
    dir_names
        A name for each list of values: a part of the directory of its runs.
    """

    keys: Sequence[Sequence[str]]
    values: Sequence[Sequence[Any]]
    dir_names: Sequence[str]


def make_variants(
    *variant_levels: VariantLevel, create_subdirs: bool = True
) -> tuple[list[AttrDict], list[str]]:
    """Cross levels: every setting of one with every setting of the next, the last one changing fastest.

    Parameters
    ----------
    variant_levels
        Any number; without one there is a single variant that changes nothing.
    create_subdirs
        Whether each level is a level of directories (``one/good``); else the names are joined with ``_``.

    Returns
    -------
    The variants, and the directory of each, relative to that of the study.

    Raises
    ------
    VariantError
        Two variants would have the same directory, or a level has lists of different lengths.
    """
    levels = [_checked(number, level) for number, level in enumerate(variant_levels, start=1)]
    variants: list[AttrDict] = [AttrDict()]
    log_dirs = [""]
    for keys, values, names in levels:
        crossed = [(variant, where) for variant, where in zip(variants, log_dirs, strict=True)]
        variants = [_with(variant, keys, row) for variant, _ in crossed for row in values]
        glue = "/" if create_subdirs else "_"
        log_dirs = [f"{where}{glue}{name}" if where else name for _, where in crossed for name in names]
    _refuse_twins(log_dirs)
    return variants, log_dirs


def _refuse_twins(log_dirs: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in log_dirs:
        if name in seen:
            raise VariantError(f"names must be unique: two variants would have the directory {name!r}")
        seen.add(name)


def _checked(number: int, level: VariantLevel) -> tuple[list[tuple[Any, ...]], list[Any], list[str]]:
    """Return the paths, the values and the names of a level.

    Raises
    ------
    VariantError
        They do not fit together.
    """
    what = f"level {number} of the variants"
    keys, values, dir_names = level
    # A lone name is a path of one step, not one of its letters.
    paths = [(key,) if isinstance(key, str) else tuple(key) for key in keys]
    if not all(paths):
        raise VariantError(f"{what} has an empty key; a path such as ('optimizer', 'lr') was expected")
    rows = list(values)
    if len(rows) != len(dir_names):
        raise VariantError(f"{what} has {len(rows)} lists of values and {len(dir_names)} dir_names")
    for place, row in enumerate(rows, start=1):
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != len(paths):
            raise VariantError(f"{what}: values[{place - 1}] must be a list with one value for each of "
                               f"the {len(paths)} keys, not {row!r}")  # fmt: skip
    names = [str(name) for name in dir_names]
    for name in names:
        try:
            parts_of(name, f"a name in {what}")
        except BadNameError as error:
            raise VariantError(str(error)) from None
    _refuse_twins(names)
    return paths, rows, names


def _with(variant: AttrDict, paths: Iterable[tuple[Any, ...]], row: Iterable[Any]) -> AttrDict:
    """Return a copy of a variant with these values."""
    new = variant.copy()
    for path, value in zip(paths, row, strict=True):
        inner: Any = new
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, AttrDict):
                raise VariantError(f"{_dotted(path)} cannot be set: {step!r} has a value of its own already")
        inner[path[-1]] = value
    return new


def _dotted(path: Iterable[Any]) -> str:
    return ".".join(map(str, path))


def update_config(default: Mapping[Any, Any], variant: Mapping[Any, Any]) -> Any:
    """Return a configuration with the values of a variant; neither of the two is changed.

    Parameters
    ----------
    default
        All that there is to set.
    variant
        What differs; mappings in it change single values of those in `default`.

    Returns
    -------
    A new dict of the type of `default`; its mappings are new as well.

    Raises
    ------
    UnknownKeyError
        A key is not in `default` (a KeyError): it is misspelt, most likely.
    MismatchError
        Only one of the two has a mapping there (a TypeError).
    """
    return _updated(default, variant, ())


def _updated(default: Mapping[Any, Any], variant: Mapping[Any, Any], path: tuple[Any, ...]) -> Any:
    new = {
        key: _updated(value, {}, ()) if isinstance(value, dict) else value for key, value in default.items()
    }
    for key, value in variant.items():
        here = (*path, key)
        if key not in new:
            raise UnknownKeyError(_unknown(here, new))
        if isinstance(value, dict) != isinstance(new[key], dict):
            wanted, given = ("a mapping", "none") if isinstance(new[key], dict) else ("no mapping", "one")
            raise MismatchError(f"{_dotted(here)}: the default configuration has {wanted} there, "
                                f"and the variant {given}")  # fmt: skip
        new[key] = _updated(new[key], value, here) if isinstance(value, dict) else value
    return type(default)(new) if isinstance(default, AttrDict) else new


def _unknown(path: tuple[Any, ...], known: Mapping[Any, Any]) -> str:
    close = nearest(str(path[-1]), [str(key) for key in known])
    hint = f"; did you mean {_dotted((*path[:-1], close))!r}?" if close else ""
    return f"the variant has a key {_dotted(path)!r} that is not in the default configuration{hint}"


def save_variant(variant: Mapping[Any, Any], log_dir: str | os.PathLike[str]) -> None:
    """Write a variant to ``variant_config.json`` in a directory, which is made where it is missing.

    Numbers and arrays of numpy become plain ones, and tuples lists.

    Raises
    ------
    NotPlainError
        A value has no plain form (a TypeError); names its key.
    RunWriteError
        The disk does not take it; a file that was there before stays.
    """
    from coolrunner.runs.directory import write_whole

    text = variant_text(variant)
    Path(log_dir).mkdir(parents=True, exist_ok=True)
    write_whole(Path(log_dir, FILE), text.encode())


def variant_text(variant: Mapping[Any, Any]) -> str:
    """Return a variant as JSON; raises what `save_variant` does for a value without a plain form."""
    from coolrunner.yamlio.plain import to_plain  # here: a script that is launched only reads

    plain = to_plain(dict(variant))
    try:
        return json.dumps(plain, indent=4) + "\n"
    except TypeError:
        for path in _strangers(plain, ()):
            raise NotPlainError(f"{_dotted(path)} cannot be written as JSON; a text would do") from None
        raise


def _strangers(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield where something stands that YAML has a form for and JSON has none, such as a date."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strangers(item, (*path, key))
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield path


def load_variant(log_dir: str | os.PathLike[str]) -> AttrDict:
    """Return the variant of a directory, with attributes at every depth.

    Raises
    ------
    UsageError
        There is none, or its file is broken; names file and line.
    """
    path = Path(log_dir, FILE)
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"there is no {FILE} in {log_dir}: the launcher, or save_variant, writes it"
        ) from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path}:1: a mapping was expected, not a {type(found).__name__}")
    return AttrDict(found)
