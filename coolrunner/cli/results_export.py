"""``coolrunner results export``, and the listing in the formats of other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.results_choice import Choice, add_choice, choose
from coolrunner.cli.results_writing import write_pieces
from coolrunner.errors import UsageError

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows
    from coolrunner.results.showing.choosing import Heading

__all__ = ["add_forms", "configure", "execute", "form_of", "handles_of", "written"]

_FORMS = {
    "json": "a list of objects: id, kind, place, parameters, results, info",
    "csv": "all keys, numbers in full",
    "yaml": "a log, which collect and filter read",
    "markdown": "the columns of the table that is shown",
    "latex": "the same, with the rules of booktabs",
    "parquet": "all keys, each of its type (with --out FILE)",
}


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    parser.usage = f"{parser.prog} FILE [PATH ...] [options]"
    parser.add_argument(
        "file", metavar="FILE", help="its ending says what is written: .csv .json .parquet ..."
    )
    add_choice(parser)
    parser.add_argument("--out", action=_FileFirst, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--force", action="store_true", help="replace the file where it is there already")
    parser.set_defaults(form=None)


class _FileFirst(argparse.Action):
    """The option of the listing, which a person may give here, too."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, values: Any, __: object = None) -> None:
        """Say where the file is named."""
        raise UsageError(f"the file comes first, without --out: {parser.prog} {values} [PATH ...]")


def add_forms(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say in which format results are listed."""
    group = parser.add_argument_group("in which format (without these, a table for people)")
    forms = group.add_mutually_exclusive_group()
    for name, help in _FORMS.items():
        forms.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=help)
    group.add_argument(
        "--out", dest="file", metavar="FILE", help="write it there; the ending says the format"
    )
    group.add_argument("--force", action="store_true", help="replace the file where it is there already")


def form_of(options: argparse.Namespace) -> str:
    """Return the format that was asked for; an empty string where none was.

    Raises
    ------
    UsageError
        There is none with this ending, the file is there already, or the format needs one.
    """
    form: str = options.form or ""
    if options.file is None:
        if form == "parquet":
            raise UsageError("--parquet is no text: --out FILE names the file")
        return form
    from coolrunner.results.showing.export import ENDINGS

    path = Path(options.file)
    if path.is_dir():
        raise UsageError(f"{path}: this is a directory; a file such as {path / 'results.csv'} was expected")
    form = form or ENDINGS.get(path.suffix.lower(), "")
    if not form:
        raise UsageError(f"{path}: the ending says what is written; there are {' '.join(ENDINGS)}")
    if path.exists() and not options.force:
        raise UsageError(f"{path} is there already; --force replaces it")
    return form


def execute(options: argparse.Namespace) -> int:
    """Export them; return the exit status."""
    form = form_of(options)
    return written(choose(options), options, form)


def written(choice: Choice, options: argparse.Namespace, form: str) -> int:
    """Write what was chosen in a format, into a file or to the standard output; return the exit status."""
    from coolrunner.results.logs.sources import counted
    from coolrunner.results.showing.export import write_file

    if options.file is None:
        write_pieces(_pieces(choice, form))
        return 0
    path = Path(options.file)
    if form == "parquet":
        _write_parquet(choice, path)
    else:
        write_file(path, _pieces(choice, form))
    count = counted(len(choice.rows), "result") if choice.summary is None else f"{choice.matching:,} groups"
    sys.stderr.write(f"{count} written to {path}\n")
    return 0


def _pieces(choice: Choice, form: str) -> Iterator[str]:
    from coolrunner.results.showing import export

    if choice.summary is not None:
        return _of_groups(choice, form)
    rows = choice.rows
    if form in ("json", "yaml"):
        names = [heading.name for heading in choice.headings or ()]
        if form == "yaml":
            return export.yaml_documents(rows, handles_of(rows), names)
        return export.json_lines(export.data_of(rows, handles_of(rows), names))
    headings = _headings(choice, for_people=form in ("markdown", "latex"))
    lines = {"csv": export.csv_lines, "markdown": export.markdown_lines, "latex": export.latex_lines}[form]
    from coolrunner.results.showing.choosing import cells

    return lines([heading.name for heading in headings], cells(rows, headings))


def _of_groups(choice: Choice, form: str) -> Iterator[str]:
    from coolrunner.results.parts import MISSING
    from coolrunner.results.showing import export

    summary = choice.summary
    assert summary is not None
    if form == "yaml":
        raise UsageError("groups are no log; --csv and --json hold them")
    if form in ("markdown", "latex"):
        columns = summary.compact()
        lines = export.markdown_lines if form == "markdown" else export.latex_lines
        return lines(list(columns), zip(*columns.values(), strict=True))
    columns = summary.columns()
    table: Iterable[Sequence[Any]] = zip(*columns.values(), strict=True)
    if form == "csv":
        return export.csv_lines(list(columns), table)
    return export.json_lines(
        {name: value for name, value in zip(columns, row, strict=True) if value is not MISSING}
        for row in table
    )


def _write_parquet(choice: Choice, path: Path) -> None:
    from coolrunner.results.showing.choosing import columns_of
    from coolrunner.results.showing.export import write_parquet

    rows = choice.rows
    if choice.summary is not None:
        write_parquet(path, choice.summary.columns().items())
    else:
        headings = _headings(choice, for_people=False)
        write_parquet(path, ((each.name, columns_of(rows, [each])[0]) for each in headings))


def _headings(choice: Choice, *, for_people: bool) -> Sequence[Heading]:
    from coolrunner.results.showing.choosing import all_headings, telling_headings

    if choice.headings is not None:
        return choice.headings
    return telling_headings(choice.rows) if for_people else all_headings(choice.rows)


def handles_of(rows: Rows) -> list[str]:
    """Return the short ids of rows: those that they were given among all others, if they were."""
    from coolrunner.results.handles import handles
    from coolrunner.results.showing.choosing import HANDLE

    column = rows.column(HANDLE)
    return column if all(type(each) is str for each in column) else handles(rows)
