"""Whether a Module can be found and has its function, without importing it.

The answer comes from the import path and the Module's syntax tree. Where those leave a doubt (a star
import, an extension module, a name made at run time), the Module is taken to be right: a mistake then
shows when the experiment starts.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from coolrunner.errors import nearest

__all__ = ["ModuleTarget", "check_module", "parse_module"]

_FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?\Z")


@dataclass(frozen=True, slots=True)
class ModuleTarget:
    """What ``Module`` names: a module and the function in it."""

    module: str
    function: str = "main"


def parse_module(text: object) -> ModuleTarget | None:
    """Read ``package.module`` or ``package.module:function``; None for anything else."""
    if not isinstance(text, str) or not _FORM.match(text):
        return None
    module, _, function = text.partition(":")
    return ModuleTarget(module, function or "main")


def check_module(target: ModuleTarget) -> tuple[str, str] | None:
    """Return what is wrong with a Module and a hint; None where nothing is known to be wrong."""
    if target.module in sys.builtin_module_names:
        return None
    live = sys.modules.get(target.module)
    if live is not None and getattr(live, "__spec__", None) is None:  # the script that runs, or a notebook
        return _check_live(target, live)
    missing = f"the Module {target.module!r} cannot be found"
    parts = target.module.split(".")
    search: Sequence[str] | None = None
    spec = None
    for depth, part in enumerate(parts):
        name = ".".join(parts[: depth + 1])
        spec = _find(name, search)
        if spec is None:
            there = f": there is no {name!r}" if name != target.module else ""
            return f"{missing}{there}", _neighbour(name, part, search)
        if depth < len(parts) - 1:
            search = spec.submodule_search_locations
            if search is None:
                return f"{missing}: {name} is a file, not a package", _hint_below(name, parts[depth + 1])
            search = list(search)
    origin = spec.origin if spec else None
    if origin is None:
        lacks = f"is a directory without __init__.py, so it has no {target.function}"
        return f"the Module {target.module!r} {lacks}", ""
    # What is no file of Python code (a zip archive, an extension module) is looked at when it starts.
    return _check_function(target, Path(origin)) if origin.endswith(".py") and Path(origin).exists() else None


def _check_live(target: ModuleTarget, module: ModuleType) -> tuple[str, str] | None:
    if callable(getattr(module, target.function, None)):
        return None
    functions = [name for name, value in vars(module).items() if isinstance(value, FunctionType)]
    close = nearest(target.function, functions)
    hint = f"did you mean {target.module}:{close}?" if close else ""
    return f"the Module {target.module!r} has no function {target.function!r}", hint


def _hint_below(name: str, part: str) -> str:
    if part == "py":
        return f"write it as Python imports it: {name}"
    return f"for a function in it write {name}:{part}"


def _find(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    """Return where a module is, for a package's in the folders `search`; nothing is imported for it."""
    finders: list[Any] = list(sys.meta_path)
    if search is not None:
        # By its own name alone: the finder would ask a package that it lies in, which is not imported.
        spec = PathFinder.find_spec(name.rpartition(".")[2], search)
        if spec is not None:
            return spec
        finders = [finder for finder in finders if finder not in _PYTHONS_OWN]
    for finder in finders:
        try:
            found: ModuleSpec | None = finder.find_spec(name, search)
        except Exception:  # a finder of an editable install or the like, which wants to be asked otherwise
            continue
        if found is not None:
            return found
    return None


_PYTHONS_OWN = (BuiltinImporter, FrozenImporter, PathFinder)


def _neighbour(name: str, part: str, search: Sequence[str] | None) -> str:
    folders = list(search) if search is not None else [sys.path[0] or "."]
    there = [entry for folder in folders for entry in _importable(Path(folder))]
    close = nearest(part, there)
    if close:
        return f"did you mean {'.'.join([*name.split('.')[:-1], close])}?"
    if search is None:
        return "it is looked for in the directory where the command was started, then in what is installed"
    return f"looked in {', '.join(folders)}"


def _importable(folder: Path) -> Iterator[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".py" and entry.stem.isidentifier() and entry.stem != "__init__":
            yield entry.stem
        elif entry.name.isidentifier() and entry.is_dir() and any(entry.glob("*.py")):
            yield entry.name


def _check_function(target: ModuleTarget, path: Path) -> tuple[str, str] | None:
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are for the import, which comes later
            tree = ast.parse(file.read(), str(path))
    except SyntaxError as error:
        where = f"{path}:{error.lineno}:{error.offset}" if error.lineno else str(path)
        message = f"the Module {target.module!r} is not valid Python: {error.msg} ({where})"
        return message, (error.text or "").strip()
    except (OSError, ValueError) as error:
        return f"the Module {target.module!r} cannot be read: {error}", ""
    own = [node for node in tree.body if isinstance(node, _FUNCTION) and node.name == target.function]
    if own and not any(
        (own[-1].args.posonlyargs, own[-1].args.args, own[-1].args.vararg, own[-1].decorator_list)
    ):
        message = f"{target.function} in the Module {target.module!r} takes no argument ({path})"
        return message, f"it is given the experiment: def {target.function}(exp)"
    names = set(_names_bound(tree))
    if names & {target.function, "*", "__getattr__"}:
        return None
    functions = [node.name for node in tree.body if isinstance(node, _FUNCTION)]
    close = nearest(target.function, functions) or next(iter(functions), "")
    hint = f"write Module: {target.module}:{close}, or define {target.function}(exp) in it" if close else ""
    return f"the Module {target.module!r} has no function {target.function!r} ({path})", hint


_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def _names_bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that a module's own code binds, and ``*`` where it may bind any."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, (*_FUNCTION, ast.ClassDef)):
            yield part.name
            # What a function declares global is the module's.
            yield from (
                name for inner in ast.walk(part) if isinstance(inner, ast.Global) for name in inner.names
            )
            continue
        if isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]  # "*" among them
        elif isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Store):
                yield part.id
            elif part.id in _BINDS_ANY:
                yield "*"
        elif isinstance(part, ast.Attribute) and part.attr == "modules":  # sys.modules[__name__] = ...
            yield "*"
        elif isinstance(part, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and part.name:
            yield part.name
        yield from _names_bound(part)


_BINDS_ANY = frozenset({"exec", "globals", "locals", "setattr", "vars"})
