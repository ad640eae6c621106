"""What an experiment waits for: ``After: name``, and ``solve E['name'].KEY`` as it reads.

``After`` means all experiments of a name, or of a sweep of that name, in the same repetition of the list;
``E`` in a ``solve`` value the experiment that it would be when it is evaluated: the nearest one before of
that name, or the one at that place. What is skipped has no results and is waited for by none.

The cost is linear in the study: experiments that wait for the same names share one tuple.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.definition.documents import Definition
from coolrunner.definition.expressions import compile_expression, parse_expression
from coolrunner.definition.problems import Problems, dotted
from coolrunner.definition.templates import SOLVE_MARK, Steps, holds_broken, marked
from coolrunner.errors import nearest

if TYPE_CHECKING:
    from coolrunner.definition.plan import Planned

__all__ = ["Asked", "after_names", "asked_of_past", "find_needs", "is_name"]

SKIP = "skip"


class Asked(NamedTuple):
    """One experiment that a ``solve`` value asks ``E`` for.

    Attributes
    ----------
    path
        The path of the value.
    key
        The name or the place.
    surely
        False where the expression may do without it, as in ``E[-1].ACC if E else 0``.
    column
        Where in the value it is asked for, in characters.
    """

    path: Steps
    key: int | str
    surely: bool
    column: int


def after_names(value: Any) -> tuple[str, ...]:
    """Return the names in the value of ``After``, each once; what is none is left out."""
    items = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(str(item) for item in items if is_name(item)))


def is_name(value: Any) -> bool:
    """Whether a value can name an experiment that is to be waited for."""
    if value is None or isinstance(value, (bool, list, dict)) or holds_broken(value):
        return False
    return not (isinstance(value, str) and value.startswith(SOLVE_MARK))


def asked_of_past(values: Mapping[str, Any]) -> Iterator[Asked]:
    """Yield what the ``solve`` values of an experiment ask ``E`` for, where they name it as it stands.

    A key or a place that is computed shows only when it is evaluated.
    """
    for path, text in marked(values, SOLVE_MARK):
        expression = text[len(SOLVE_MARK) :]
        for key, surely, column in _subscripts(expression):
            if not _has_own_e(values, path):
                lead = len(expression) - len(expression.lstrip())
                yield Asked(path, key, surely, len(SOLVE_MARK) + lead + column)


def _has_own_e(values: Any, path: Steps) -> bool:
    """Whether a key of the experiment is what ``E`` means at a path."""
    for depth, step in enumerate(path):
        if isinstance(values, Mapping) and "E" in values and path[depth:] != ("E",):
            return True
        values = values[step]
    return False


@lru_cache(maxsize=65536)
def _subscripts(text: str) -> tuple[tuple[int | str, bool, int], ...]:
    """Return the constant subscripts of ``E`` in an expression: key, whether surely needed, column."""
    if "E" not in text or "[" not in text:
        return ()
    try:
        if "E" not in compile_expression(text).names:
            return ()
        tree = parse_expression(text)
    except SyntaxError:  # it was made by a `parse` expression, and fails when it is resolved
        return ()
    lines = text.strip().split("\n")
    found = []
    for node, surely in _parts(tree.body, True):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "E":
            try:
                key = ast.literal_eval(node.slice)
            except ValueError:
                continue
            if type(key) in (int, str):
                # Columns count bytes; where the text has several lines, its beginning will do.
                column = len(lines[0].encode()[: node.col_offset].decode()) if len(lines) == 1 else 0
                found.append((key, surely, column))
    return tuple(found)


def _parts(node: ast.AST, surely: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the parts of an expression, and whether each is evaluated whatever the rest gives."""
    yield node, surely
    if isinstance(node, ast.IfExp):
        always: Sequence[ast.AST] = [node.test]
    elif isinstance(node, ast.BoolOp):
        always = node.values[:1]
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.Lambda)):
        always = []
    else:
        always = list(ast.iter_child_nodes(node))
    for part in ast.iter_child_nodes(node):
        yield from _parts(part, surely and part in always)


def find_needs(
    definition: Definition, experiments: Sequence[Planned], problems: Problems, *, solves: bool
) -> None:
    """Set what each experiment needs; names that nobody has, and circles, are noted in `problems`.

    Parameters
    ----------
    experiments
        All of a study, in order.
    solves
        Whether a ``solve`` value may mention ``E``; without it none is looked at.
    """
    if not solves and not any("After" in planned.experiment.inputs for planned in experiments):
        return
    begin = 0
    while begin < len(experiments):
        end = begin + 1
        while end < len(experiments) and experiments[end].before:
            end += 1
        _Repetition(definition, experiments[begin:end], problems, solves).find()
        begin = end


class _Repetition:
    """The experiments of one repetition of the list."""

    def __init__(
        self, definition: Definition, experiments: Sequence[Planned], problems: Problems, solves: bool
    ) -> None:
        self._definition = definition
        self._experiments = experiments
        self._problems = problems
        self._solves = solves
        self._names: list[str | None] = [_name_of(planned) for planned in experiments]
        self._groups: dict[str, list[int]] = {}  # the experiments that run, by name
        for place, (name, planned) in enumerate(zip(self._names, experiments, strict=True)):
            if planned.runs and name is not None:
                for known in dict.fromkeys((name, planned.sweep or name)):
                    self._groups.setdefault(known, []).append(place)
        self._all_named = None not in self._names
        self._after: dict[int, tuple[str, ...]] = {}  # what each waits for by name, and by place
        self._past: dict[int, tuple[int, ...]] = {}
        # Each look for a nearest name goes through all of them.
        self._hints_left = 50 if len(self._groups) < 1000 else 1
        self._shared: dict[tuple[tuple[str, ...], tuple[int, ...]], tuple[str, ...]] = {}

    def find(self) -> None:
        """Set the needs of all."""
        before: dict[str, int] = {}  # the nearest one of each name
        for place, planned in enumerate(self._experiments):
            name = self._names[place]
            if planned.runs:
                after = self._names_waited_for(planned, name)
                past = self._places_asked_for(place, planned, before) if self._solves else ()
                if after:
                    self._after[place] = after
                if past:
                    self._past[place] = past
                if after or past:
                    planned.needs = self._ids(after, past)
            if name is not None:
                before[name] = place
        for circle in _circles(self._after, self._past, self._groups):
            self._note_circle(circle)

    def _ids(self, after: tuple[str, ...], past: tuple[int, ...]) -> tuple[str, ...]:
        found = self._shared.get((after, past))
        if found is None:
            places = dict.fromkeys(place for name in after for place in self._groups[name])
            places.update(dict.fromkeys(past))
            found = self._shared[after, past] = tuple(self._experiments[place].id for place in places)
        return found

    # --- After ---

    def _names_waited_for(self, planned: Planned, own: str | None) -> tuple[str, ...]:
        value = planned.experiment.inputs.get("After")
        if value is None:
            return ()
        names = []
        for name in after_names(value):
            # With After in the default config, those that the others wait for have it as well.
            inherited = not self._definition.origin(planned.document, ("After",))
            if name in (own, planned.sweep) and inherited:
                continue
            if name in self._groups:
                names.append(name)
            elif self._all_named:
                self._note_unknown(planned, name)
        return tuple(names)

    def _note_unknown(self, planned: Planned, name: str) -> None:
        hint = ""
        if name == SKIP:
            message = f"After: {SKIP} marks experiments that never run, so none can be waited for"
        else:
            message = f"After: no experiment is named {name!r}"
            hint = self._did_you_mean(name, self._groups)
        self._note_after(planned, name, message, hint)

    def _note_after(self, planned: Planned, name: str, message: str, hint: str = "") -> None:
        value = planned.experiment.inputs["After"]
        path: Steps = ("After",)
        if isinstance(value, list):
            path = ("After", next(place for place, item in enumerate(value) if str(item) == name))
        number = self._definition.origin(planned.document, path)
        self._problems.add(self._definition.problem(number, path, message, hint))

    # --- E ---

    def _places_asked_for(self, place: int, planned: Planned, before: Mapping[str, int]) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for asked in asked_of_past(planned.experiment.inputs):
            key = asked.key
            there = before.get(key) if isinstance(key, str) else key + place if key < 0 else key
            if there is not None and 0 <= there < place:
                if self._experiments[there].runs:
                    found[there] = None
            elif asked.surely and not (isinstance(key, str) and not self._all_named):
                self._note_missing(place, planned, asked, before)
        return tuple(found)

    def _note_missing(self, place: int, planned: Planned, asked: Asked, before: Mapping[str, int]) -> None:
        key, hint = asked.key, ""
        if isinstance(key, int):
            count = f"{place or 'no'} experiment{' comes' if place == 1 else 's come'}"
            message = f"E[{key}]: {'only ' if place else ''}{count} before this one"
        else:
            message = f"no experiment before this one is named {key!r}"
            if key in self._groups:
                later = self._experiments[self._groups[key][-1]].document
                line = self._definition.position(later, ("Name",), key=True).line
                hint = f"{key!r} stands further down (line {line}): move it above this experiment"
            else:
                hint = self._did_you_mean(key, before)
        number = self._definition.origin(planned.document, asked.path)
        message = f"in {dotted(asked.path)} of experiment {planned.name!r}: {message}"
        self._problems.add(self._definition.problem(number, asked.path, message, hint, skip=asked.column))

    def _did_you_mean(self, name: str, known: Iterable[str]) -> str:
        if self._experiments[0].index or not self._hints_left:  # the first repetition has told it
            return ""
        self._hints_left -= 1
        close = nearest(name, known)
        return f"did you mean {close!r}?" if close else ""

    # --- circles ---

    def _note_circle(self, circle: Sequence[int]) -> None:
        """Note a circle, at the ``After`` of the first one in it that has one for the next."""
        following = dict(zip(circle, [*circle[1:], circle[0]], strict=True))
        first = min(place for place, other in following.items() if self._waits_by_name(place, other))
        start = circle.index(first)
        chain = [self._experiments[place].name for place in (*circle[start:], *circle[:start], first)]
        if len(chain) > _CHAIN_SHOWN:
            chain[_CHAIN_SHOWN // 2 : -_CHAIN_SHOWN // 2] = ["..."]
        words = " → ".join(chain)
        message = f"these experiments wait for each other, so that none could start: {words}"
        self._note_after(self._experiments[first], self._waits_by_name(first, following[first]), message)

    def _waits_by_name(self, place: int, other: int) -> str:
        """Return the name by which one waits for another, its own or its sweep's; an empty text for none."""
        names = (self._names[other], self._experiments[other].sweep)
        return next((name for name in names if name and name in self._after.get(place, ())), "")


_CHAIN_SHOWN = 10


def _name_of(planned: Planned) -> str | None:
    name = planned.experiment.inputs.get("Name")
    return None if name is not None and holds_broken(name) else planned.name


_CIRCLES_SHOWN = 20


def _circles(
    after: Mapping[int, Sequence[str]], past: Mapping[int, Sequence[int]], groups: Mapping[str, Sequence[int]]
) -> Iterator[list[int]]:
    """Yield circles of experiments, by place, each of which waits for the next; some, where there are many.

    A name is a node between those that wait for it and those that have it, so that each is passed once.
    """

    def onward(node: int | str) -> Iterator[int | str]:
        if isinstance(node, str):
            yield from groups[node]
        else:
            yield from after.get(node, ())
            yield from past.get(node, ())

    left = _CIRCLES_SHOWN
    seen: set[int | str] = set()
    for root in after:  # `E` leads backwards, so that a circle has an `After` in it
        if root in seen:
            continue
        seen.add(root)
        under_way: dict[int | str, int] = {root: 0}
        trail: list[tuple[int | str, Iterator[int | str]]] = [(root, onward(root))]
        while trail:
            node, ahead = trail[-1]
            following = next(ahead, None)
            if following is None:
                trail.pop()
                del under_way[node]
            elif following in under_way:
                yield [place for place, _ in trail[under_way[following] :] if isinstance(place, int)]
                left -= 1
                if not left:
                    return
            elif following not in seen:
                seen.add(following)
                under_way[following] = len(trail)
                trail.append((following, onward(following)))
