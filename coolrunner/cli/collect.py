"""``coolrunner collect``: gather logs from many places into one, each experiment once."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coolrunner.results.logs.reading import Entry
    from coolrunner.results.rows import Rows

__all__ = ["DESCRIPTION", "HELP", "configure", "execute"]

HELP = "gather logs from many places into one, each experiment once"

DESCRIPTION = """\
Gather the experiments of all logs in and under the paths into one new log. Two experiments
are the same when their data is; the first one is kept. Files that are plainly something else
(definitions, queue files, logs of failures, run directories) and hidden ones are skipped.
Exit status: 0; 1 if a file is broken or no log (what is complete in it is kept).
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.add_argument(
        "path",
        nargs="+",
        help="starting directories for recursive log collecting, or single files; - reads the standard input",
    )
    parser.add_argument(
        "--exclude",
        nargs="*",
        action="extend",
        default=[],
        metavar="WHAT",
        help="skip directories or files: names, globs such as '*-old.yaml', or paths",
    )
    parser.add_argument(
        "--dest",
        default="yaml_collect",
        metavar="DIR",
        help="directory of the new .yaml file (default: %(default)s); - writes to the standard output",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="read all files, whatever the index knows, and keep no index"
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print visited directories during recursive collecting, and name everything that is not read",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Collect, and tell what was found.

    Returns
    -------
    The exit status: 1 if anything is broken or foreign, else 0.
    """
    from coolrunner.results.logs.collect import collect
    from coolrunner.results.logs.indexed import collect_rows, log_rows
    from coolrunner.results.logs.reading import read_logs
    from coolrunner.results.logs.sources import STDIN, Exclusion, Report, counted, find_logs
    from coolrunner.results.logs.yamllog import HEADER
    from coolrunner.results.showing.output import NewFile, Stream

    to_stdout = arguments.dest == STDIN
    console = sys.stderr if to_stdout else sys.stdout
    report = Report()
    exclude = Exclusion(arguments.exclude)
    results = _ResultKeys()

    def visit(directory: Path) -> None:
        if arguments.verbose:
            console.write(f"{directory}\n")

    files = list(find_logs(arguments.path, report, exclude, visit))
    rows = log_rows(files, arguments.path, report, "never" if arguments.no_cache else "auto", values=False)
    with Stream(sys.stdout.buffer) if to_stdout else NewFile(arguments.dest, ".yaml") as output:
        if rows is None:
            count = collect(map(results.look, read_logs(files, report)), output.write)
        else:
            results.look_through(rows)
            count = collect_rows(rows, output.write)
        if not count and to_stdout:
            output.write(HEADER)  # a log without experiments, for who reads the other end
        path = output.finish()

    for pattern in exclude.unused:
        sys.stderr.write(f"--exclude {pattern}: nothing of this name was met\n")
    sys.stderr.write("".join(f"{line}\n" for line in report.lines(everything=arguments.verbose)))
    if not count:
        console.write(f"no experiments were found in {' '.join(arguments.path)}\n")
    else:
        twice = report.documents - count
        duplicates = f"; {counted(twice, 'duplicate')} removed" if twice else ""
        found = f"{counted(count, 'experiment')} collected from {counted(report.files, 'file')}"
        console.write(f"{found}{duplicates}\n")
    if path:
        command = f"{_filter_command(arguments.program)} {shlex.quote(path)} {results.suggestion()}--table"
        console.write(f"{path}\nnext: {command}\n")
    return report.status


def _filter_command(program: str) -> str:
    return re.sub(r"\bcollect(?=(?:\.py)?'?$)", "filter", program)


class _ResultKeys:
    """Finds a result that the next command may sort by: written in capitals, a number, not ours."""

    _OURS = frozenset({"REP", "RND_IDX", "TIME_ELAPSED"})
    _LOOKED_AT = 100  # experiments

    def __init__(self) -> None:
        self._names: list[str] = []
        self._seen = 0

    def look(self, entry: Entry) -> Entry:
        if not self._names and self._seen < self._LOOKED_AT:
            self._look(entry.value)
        return entry

    def look_through(self, rows: Rows) -> None:
        from coolrunner.results.logs.indexed import first_values

        for value in first_values(rows, self._LOOKED_AT):
            self._look(value)

    def _look(self, experiment: dict[Any, Any]) -> None:
        self._seen += 1
        if not self._names:
            self._names = [
                key
                for key, value in experiment.items()
                if type(key) is str and key.isupper() and type(value) is float and key not in self._OURS
            ]

    def suggestion(self) -> str:
        from coolrunner.keys import lower_is_better, main_result

        name = main_result(self._names)
        order = "" if lower_is_better(name) else "--reverse "
        return f"--sort {shlex.quote(name)} {order}" if name else ""
