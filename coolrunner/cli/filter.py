"""``coolrunner filter``: choose, sort and cut down the experiments of logs."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from coolrunner.results.filter import Expression, Selection
    from coolrunner.results.logs.sources import Report
    from coolrunner.results.showing.formats import KeyChoice

__all__ = [
    "DESCRIPTION",
    "EPILOG",
    "HELP",
    "PARSER_OPTIONS",
    "configure",
    "convert_arg_line_to_args",
    "execute",
]

HELP = "choose, sort and cut down the experiments of logs"

#: What the parser of this command is made with.
PARSER_OPTIONS = {"fromfile_prefix_chars": "%"}

DESCRIPTION = """\
Filtering and sorting of .yaml logs. Use %FILENAME to load arguments from a file, one a line
(blank lines and lines that begin with # are passed over).
"""
EPILOG = """\
A filter or a sort is an expression over the experiment's keys,

  "ACC > 0.9 and model in ['vgg', 'wrn']"    optimizer.lr    "exp['odd key'] == None"
  "Name ~ '^res.*50'"    "STARTED > ago('3h')"    "STARTED < date('2026-11-21')"

in which a comparison with a missing key is false, or a Python function, with math and re at hand:

  "lambda exp: exp['ACC'] > 0.9"

Exit status: 0; 1 if a file is broken or no log (what is complete in it is used); 2 if the call is
wrong or an expression fails on an experiment.
"""
_OPTION_AND_VALUE = re.compile(r"(--[a-z-]+)\s+(?!=)(.+)")


def convert_arg_line_to_args(line: str) -> list[str]:
    """Return the arguments on one line of a %FILE: the whole line is one.

    ``--filter ACC > 0.9`` is taken for an option and its value, ``--keep-keys ACC Name`` for one and
    its values, as they look.
    """
    line = line.strip()
    if not line or line.startswith("#"):
        return []
    match = _OPTION_AND_VALUE.match(line)
    if match is None:
        return [line]
    option, value = match.groups()
    return [option, *value.split()] if option == "--keep-keys" else [f"{option}={value}"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.add_argument(
        "path",
        nargs="+",
        help="path to a .yaml file containing logs, or a directory of them; - reads the standard input",
    )
    parser.add_argument(
        "--dest",
        metavar="DIR",
        help="directory of the new file (default: yaml_filter); - writes to the standard output",
    )
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="keep the experiments for which this is true; several are applied in the order given",
    )
    parser.add_argument(
        "--sort",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="sort by this value, missing ones last; several are applied in the order given, each stable "
        "(--sort=-ACC where it begins with a minus)",
    )
    parser.add_argument("--reverse", action="store_true", help="reverse sorting order (of every --sort)")
    parser.add_argument(
        "--keep-keys",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY",
        help="keys of the experiments that are kept (optimizer.lr for a nested one); without it, all",
    )
    parser.add_argument(
        "--skip-errors",
        action="store_true",
        help="leave out experiments on which a filter or sort fails, in place of stopping",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="read all files, whatever the index knows, and keep no index"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--table", action="store_true", help="print a table, and write no file")
    form.add_argument(
        "--format",
        choices=["yaml", "json", "csv"],
        default="yaml",
        help="what to write (default: %(default)s); in JSON, nan and infinities become null",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="name everything that is not read")


def execute(arguments: argparse.Namespace) -> int:
    """Filter, write or print what is left, and tell of it.

    Returns
    -------
    The exit status: 1 if anything is broken or foreign, else 0.

    Raises
    ------
    UserError
        The call is wrong, or an expression fails on an experiment.
    """
    from coolrunner.errors import UsageError
    from coolrunner.results.filter import Selection, choose, compile_expression, select
    from coolrunner.results.keywatch import KeyWatch, unknown_keys
    from coolrunner.results.logs.indexed import log_rows, prepared, texts_of, title
    from coolrunner.results.logs.reading import read_logs
    from coolrunner.results.logs.sources import STDIN, Report, find_logs
    from coolrunner.results.showing.formats import FORMATS, KeyChoice
    from coolrunner.results.showing.output import NewFile, Stream

    if arguments.table and arguments.dest not in (None, STDIN):
        raise UsageError("--table prints to the standard output and writes no file; leave out --dest")
    keep = KeyChoice(arguments.keep_keys)
    form = FORMATS["csv" if arguments.table else arguments.format](keep)  # a table has the cells of a CSV
    filters = [compile_expression(text, "--filter") for text in arguments.filter]
    sorts = [compile_expression(text, "--sort") for text in arguments.sort]
    to_stdout = arguments.table or arguments.dest == STDIN
    output = Stream(sys.stdout.buffer) if to_stdout else NewFile(arguments.dest or "yaml_filter", form.ending)

    report = Report()
    wanted = [*keep.paths, *(path for each in (*filters, *sorts) for path in each.paths)]
    files = list(find_logs(arguments.path, report))
    rows = log_rows(files, arguments.path, report, "never" if arguments.no_cache else "auto")
    order = {"reverse": arguments.reverse, "skip_errors": arguments.skip_errors}
    if rows is None:
        watch = KeyWatch(wanted)
        selection = select(read_logs(files, report), filters, sorts, form.prepare, watch=watch, **order)
        warnings = watch.warnings()
    else:
        chosen = choose(rows, filters, sorts, partial(title, rows), **order)
        kept = list(prepared(rows.take(chosen.kept), form, keep.names))
        selection = Selection(kept, chosen.seen, chosen.dropped)
        known = [key.path for key in rows.keys]
        warnings = unknown_keys(wanted, known, texts_of(rows)) if len(rows) else []
    path = ""
    if arguments.table:
        # The last sort decides first.
        _print_table(selection.kept, keep, _keys_of([*reversed(sorts), *filters]))
    elif selection.kept or to_stdout:
        with output:
            for text in form.render(selection.kept):
                output.write(text)
            path = output.finish()
    _tell(arguments, selection, report, warnings, sys.stderr if to_stdout else sys.stdout)
    if path:
        sys.stdout.write(f"{path}\n")
    elif selection.seen and not to_stdout:
        sys.stdout.write("nothing was written\n")
    return report.status


def _keys_of(expressions: Sequence[Expression]) -> list[str]:
    """Return the keys that expressions look at, without the places in lists."""
    paths = [path for expression in expressions for path in sorted(expression.paths, key=str)]
    return list(dict.fromkeys(".".join(takewhile(lambda step: type(step) is str, path)) for path in paths))


def _print_table(rows: Sequence[dict[str, Any]], keep: KeyChoice, looked_at: Sequence[str]) -> None:
    from coolrunner.results.showing.table import fitted_table, plain_table

    if not rows:
        return
    if not sys.stdout.isatty():
        sys.stdout.writelines(plain_table(rows, keep.names))
        return
    from rich.console import Console

    console = Console()
    table, left_out = fitted_table(rows, console.width, keep.names, looked_at)
    console.print(table)
    if left_out:
        console.print(
            f"not shown: {', '.join(left_out)} (--keep-keys chooses)",
            style="dim",
            markup=False,
            highlight=False,
        )


def _tell(
    arguments: argparse.Namespace,
    selection: Selection[Any],
    report: Report,
    warnings: list[str],
    console: TextIO,
) -> None:
    from coolrunner.results.logs.sources import counted

    if arguments.reverse and not arguments.sort:
        warnings = [*warnings, "--reverse changes nothing without --sort"]
    lines = [*(f"warning: {warning}" for warning in warnings), *report.lines(everything=arguments.verbose)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if not selection.seen:
        console.write(f"no experiments were found in {' '.join(arguments.path)}\n")
        return
    dropped = (
        f"; {selection.dropped:,} left out because an expression failed on them" if selection.dropped else ""
    )
    seen = f"{counted(selection.seen, 'experiment')} of {counted(report.files, 'file')}"
    console.write(f"{len(selection.kept):,} kept of {seen}{dropped}\n")
