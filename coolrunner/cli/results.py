"""``coolrunner results``: one table of everything that was found out, and questions to it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from coolrunner.cli import results_list
from coolrunner.cli.verbs import described, parse_verb

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "VERBS", "configure", "execute", "parse"]

HELP = "one table of all results: choose, rank, summarise, compare, export"

#: What can be done, in the order of the help: the module of each, and what it does.
VERBS = {
    "ls": ("results_list", "list them, which is also done without a verb"),
    "show": ("results_show", "show all that is known of one of them"),
    "best": ("results_best", "show the best one"),
    "diff": ("results_diff", "show in what some of them differ, down to code and packages"),
    "export": ("results_export", "write them into a file: .csv .json .parquet .tex .md .yaml"),
    "watch": ("results_watch", "list them, and go on as new ones come in"),
    "check": ("results_check", "show what could not be read, and what does not fit together"),
    "mark": ("results_mark", "give some of them a mark, by which they are found again"),
    "tag": ("results_mark", "give some of them a tag"),
    "note": ("results_mark", "write down what you think of one of them"),
}
#: What the verbs are called elsewhere.
_ELSEWHERE = {
    **dict.fromkeys(("list", "l", "table", "all"), "ls"),
    **dict.fromkeys(("cat", "info", "inspect", "describe", "get"), "show"),
    **dict.fromkeys(("top", "leaderboard"), "best"),
    **dict.fromkeys(("compare", "cmp"), "diff"),
    **dict.fromkeys(("save", "dump", "csv", "to"), "export"),
    **dict.fromkeys(("follow", "live", "tail"), "watch"),
    **dict.fromkeys(("verify", "lint", "doctor", "fsck"), "check"),
    **dict.fromkeys(("star", "pin"), "mark"),
    **dict.fromkeys(("comment", "annotate"), "note"),
    **dict.fromkeys(("unmark", "unstar", "unpin"), "mark --remove"),
    "untag": "tag --remove",
    **dict.fromkeys(("filter", "find", "query", "search", "where"), "ls --where"),
    **dict.fromkeys(("aggregate", "agg", "group", "mean", "stats", "summary"), "ls --agg"),
    **dict.fromkeys(("errors", "failed", "failures"), "ls --status failed"),
    "worst": "ls --top 1 --min",
}

DESCRIPTION = (
    described(
        "One table of all results in and under the paths: logs, run directories, and what Hydra, Sacred,\n"
        "MLflow and TensorBoard wrote (CSV and JSON lines where such a file is named).",
        VERBS,
    )
    + "\n\n'coolrunner results VERB --help' says more of a verb. Without one they are listed, as follows."
)

EPILOG = results_list.EPILOG


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the listing, which needs no verb."""
    parser.usage = "coolrunner results [PATH ...] [options]\n       coolrunner results VERB ..."
    results_list.configure(parser, "ls")
    parser.add_argument("-v", "--verbose", action="store_true", help="name everything that is not read")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of a verb, or of the listing where the first word is none.

    A directory that is called like a verb is reached as ``./show``.

    Raises
    ------
    UsageError
        The first word is neither a verb nor a path, and looks like a verb.
    """
    first = arguments[0] if arguments else ""
    if first in VERBS:
        return parse_verb(parser, arguments, VERBS, _ELSEWHERE, lambda _: None)
    if first and not first.startswith("-") and "/" not in first and not Path(first).exists():
        _refuse_unknown(first)
    options = parser.parse_intermixed_args(list(arguments))
    options.verb, options.execute = "ls", results_list.execute
    return options


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    return int(options.execute(options))


def _refuse_unknown(word: str) -> None:
    from coolrunner.errors import UsageError, nearest

    close = _ELSEWHERE.get(word) or nearest(word, VERBS)
    if close and not nearest(word, [path.name for path in Path().iterdir()]):
        raise UsageError(f"{word} is neither a verb nor a path; did you mean 'coolrunner results {close}'?")
