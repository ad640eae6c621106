"""``coolrunner results``: the listing; changes nothing."""

from __future__ import annotations

import argparse
import sys

from coolrunner.cli.results_choice import Choice, add_choice, choose
from coolrunner.cli.results_export import add_forms, form_of, written

__all__ = ["EPILOG", "configure", "execute"]

_LIMIT = 50  # rows on a terminal

EPILOG = """\
examples:
  coolrunner results                                     the newest, with what differs between them
  coolrunner results --top 10 --by ACC                   the best ten
  coolrunner results --where "ACC > 0.9 and optimizer.name == 'adam' and STARTED > ago('3h')"
  coolrunner results --agg mean,ci95,n                   over repetitions, which differ in seeds alone
  coolrunner results --group-by model,lr --latex > table.tex
  coolrunner results results/ --csv --columns 'Name,optimizer.*,ACC' > results.csv

exit status: 0 all is well, 2 the call is wrong, or an expression fails on a result"""


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_choice(parser)
    add_forms(parser)


def execute(options: argparse.Namespace) -> int:
    """List them; return the exit status."""
    form = form_of(options)
    choice = choose(options, _LIMIT if not form and sys.stdout.isatty() else 0)
    if not len(choice.rows):
        _say_nothing(choice, options)
    if form:
        return written(choice, options, form)
    if not len(choice.rows):
        return 0
    from coolrunner.cli.results_table import print_groups, print_rows

    if choice.summary is not None:
        print_groups(choice, by_keys=options.group_by is not None)
    else:
        print_rows(choice)
    return 0


def _say_nothing(choice: Choice, options: argparse.Namespace) -> None:
    """Say where was looked for what in vain."""
    if choice.found:
        asked = [f"--where {text!r}" for text in options.where]
        asked += [f"--status {options.status}"] if options.status else []
        asked += [f"--marked {options.marked}".rstrip()] if options.marked is not None else []
        asked += [f"--tag {options.tag}"] if options.tag else []
        sys.stderr.write(f"none of {choice.found:,} results fits {' '.join(asked)}\n")
        return
    places = " ".join(options.path) if options.path else "this directory"
    sys.stderr.write(f"there are no results in {places}\n")
    if choice.skipped:
        sys.stderr.write(f"{choice.skipped}\n")
    sys.stderr.write("'coolrunner run --exp FILE' makes some\n")
