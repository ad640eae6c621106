"""``coolrunner results diff``: in what some results differ."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coolrunner.cli.results_one import NAMES, add_ids, details_of, rows_with
from coolrunner.cli.runs_read import for_json
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import UsageError
from coolrunner.results.handles import Handles
from coolrunner.results.parts import MISSING
from coolrunner.results.showing.details import Details
from coolrunner.results.showing.differences import Differences, Values, differences, source_diffs

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows

__all__ = ["configure", "execute"]

_TITLES = {"info": "for the record"}
_CELL = 40
_NARROWEST, _UNBOUNDED = 12, 1_000  # characters of a cell
_BEFORE = 8  # that texts have in common, shown before where they differ
_DIGEST = 10  # digits by which contents and commits are told apart
_OF_DIGEST = re.compile(r"[0-9a-f]{40,64}\Z")
_LISTED = 30


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_ids(parser, "*", f"two results, or more; each by {NAMES}")
    parser.add_argument("--by", metavar="KEY", help="instead of IDs: the best and the worst by this result")
    parser.add_argument("--sources", action="store_true", help="show the lines in which their code differs")
    parser.add_argument("--all", action="store_true", help="name all packages and files, not the first few")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Compare them; return the exit status."""
    if options.by is not None and options.id:
        raise UsageError("--by finds the best and the worst itself, and needs no IDs")
    if options.by is None and len(options.id) < 2:
        named = f"only {options.id[0]} was" if options.id else "none were"
        words = f"diff compares two results or more, and {named} named"
        raise UsageError(f"{words}; --by KEY compares the best with the worst")
    rows = rows_with(options, options.id)
    names = Handles(rows)
    if options.by is not None:
        numbers = _best_and_worst(rows, options.by)
    else:
        numbers = list(dict.fromkeys(names.find(text) for text in options.id))
        if len(numbers) < 2:
            raise UsageError(f"{' and '.join(options.id)} are the same result: {names.called(numbers[0])}")
    compared = [details_of(rows, names, number) for number in numbers]
    found = differences(rows.take(numbers), compared)
    if options.json:
        print_json(for_json(_as_data(found, compared, options.sources)))
        return 0
    lines = [*_text(found, compared, everything=options.all)]
    if options.sources:
        lines += ["", *source_diffs(found, compared)]
    elif found.sources:
        lines += ["", "--sources shows the lines in which the files differ"]
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.streams import write_text

    write_text(sys.stdout, "\n".join(escaped(line.expandtabs()) for line in lines) + "\n")
    return 0


def _best_and_worst(rows: Rows, by: str) -> list[int]:
    from coolrunner.results.asking import ask, direction

    # Rows in which it is no number are not among the best.
    ranked = ask(rows, by=by, largest=direction(by), top=len(rows)).ids()
    if len(ranked) < 2:
        raise UsageError(f"--by {by}: two results that have this number were expected")
    known = rows.ids()
    return [known.index(ranked[0]), known.index(ranked[-1])]


def _as_data(found: Differences, compared: Sequence[Details], sources: bool) -> dict[str, Any]:
    ids = [each.handle for each in compared]
    data: dict[str, Any] = {
        "results": [{"id": each.handle, "name": each.name, "place": str(each.place)} for each in compared]
    }
    differ = {
        section: {
            name: {id: value for id, value in zip(ids, values, strict=True) if value is not MISSING}
            for name, values in of_section.items()
        }
        for section, of_section in found.sections()
    }
    data = {"compared": data["results"], **differ, "same": found.same, "unknown": found.unknown}
    if sources:
        data["diff"] = list(source_diffs(found, compared))
    return data


def _text(found: Differences, compared: Sequence[Details], *, everything: bool) -> Iterator[str]:
    for each in compared:
        yield f"{each.handle}  {each.name}  {each.place if str(each.place) != each.handle else ''}".rstrip()
    for section, values in found.sections():
        if values:
            yield ""
            yield from _table(_TITLES.get(section, section), values, compared, section, everything)
    if not found:
        yield ""
        yield "they differ in nothing that is known of them"
    same = ", ".join(f"{_TITLES.get(name, name)} {count:,}" for name, count in found.same.items())
    if same:
        yield ""
        yield f"the same: {same}"
    if found.unknown:
        yield f"not known: where {', '.join(found.unknown)} came from (code, packages, git)"


def _table(
    title: str, values: Mapping[str, Values], compared: Sequence[Details], section: str, everything: bool
) -> Iterator[str]:
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.streams import width_for
    from coolrunner.reporting.tables import Column, is_numeric, layout
    from coolrunner.reporting.text import cut

    names = list(values) if everything else list(values)[:_LISTED]
    columns = [Column(title, [cut(escaped(name), _CELL) for name in names])]
    room = (width_for(sys.stdout) or _UNBOUNDED) - columns[0].width
    limit = max(room // len(compared) - 2, _NARROWEST)
    cells = [_cells(values[name], section, limit) for name in names]
    for number, each in enumerate(compared):
        right = is_numeric(values[name][number] or None for name in names)
        columns.append(Column(cut(each.handle, limit), [row[number] for row in cells], right=right))
    if len(compared) == 2 and section == "results":
        columns.append(Column("difference", [_difference(*values[name]) for name in names], right=True))
    yield from layout(columns, lambda text, style: text)
    if len(names) < len(values):
        yield f"and {len(values) - len(names):,} more (--all names them)"


def _cells(values: Values, section: str, limit: int) -> list[str]:
    """Return how values are shown; of texts that are too long, from where they differ."""
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.text import brief, cut

    texts = ["-" if value is MISSING else escaped(brief(value, _UNBOUNDED)) for value in values]
    if section in ("sources", "git"):
        texts = [text[:_DIGEST] if _OF_DIGEST.match(text) else text for text in texts]
    told = {text for text in texts if text != "-"}
    if max(map(len, texts)) > limit and len(told) > 1:
        start = max(_shared(min(told), max(told)) - _BEFORE, 0)
        texts = ["…" + text[start:] if start and text != "-" else text for text in texts]
    return [cut(text, limit) for text in texts]


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginnings."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _difference(one: Any, other: Any) -> str:
    from coolrunner.reporting.text import number

    if {type(one), type(other)} <= {int, float}:
        change = other - one
        share = f" ({change / abs(one):+.1%})" if one and abs(change / one) < 10 else ""
        return f"{'+' if change >= 0 else ''}{number(change)}{share}"
    return ""
