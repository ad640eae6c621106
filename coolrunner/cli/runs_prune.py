"""``coolrunner runs prune``: removes what nobody needs any more."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta

from coolrunner.cli.runs_find import path_shown, roots_of
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import UsageError

__all__ = ["configure", "execute"]

_SHOWN = 20


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add = parser.add_argument
    add("--tmp", action="store_true", help="runs that were only tried out")
    add("--failed", action="store_true", help="runs that failed")
    add("--older-than", metavar="TIME", help="only those that began so long ago: 30d, 12h, 1h30m")
    add("--dry", action="store_true", help="only say what would be removed")
    add("--yes", action="store_true", help="do not ask")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Remove them; return the exit status."""
    # Without a choice both: what is left is what a person keeps.
    both = not options.tmp and not options.failed
    tmp, failed = options.tmp or both, options.failed or both
    older_than = _age(options.older_than)
    chosen = [
        (root, root.prune(tmp=tmp, failed=failed, older_than=older_than, dry=True))
        for root in roots_of(options.root)
    ]
    paths = [run.path for _, runs in chosen for run in runs]
    if not options.json:
        _list([path_shown(path) for path in paths])
    go = bool(paths) and not options.dry and (options.yes or _agreed(len(paths)))
    if go:
        # Those that were shown, and no others that have failed meanwhile.
        for root, runs in chosen:
            root.delete(runs, everything=True)
            root.sweep()
    if options.json:
        print_json({"runs": [str(path) for path in paths], "removed": len(paths) if go else 0})
    elif paths:
        done = "is removed" if len(paths) == 1 else "are removed"
        what = f"{_counted(len(paths))} {done if go else 'would be removed'}"
        sys.stdout.write(f"{what}; what has a mark, or still runs, stays\n")
    return 0


def _list(names: list[str]) -> None:
    shown = names if len(names) <= _SHOWN + 1 else names[:_SHOWN]
    sys.stdout.writelines(f"{name}\n" for name in shown)
    if len(shown) < len(names):
        sys.stdout.write(f"and {len(names) - len(shown)} more\n")
    if not names:
        sys.stdout.write("there is nothing to remove\n")
    sys.stdout.flush()


def _counted(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"


def _agreed(count: int) -> bool:
    from coolrunner.cli.terminal import is_there

    if not is_there():
        raise UsageError(f"{_counted(count)} would be removed: --yes agrees, --dry only lists them")
    sys.stderr.write(f"Remove {_counted(count)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    from coolrunner.definition.durations import parse_duration

    seconds = parse_duration(text)
    try:
        if seconds is not None:
            return timedelta(seconds=seconds)
    except OverflowError:
        pass
    raise UsageError(f"--older-than {text}: a time such as 30d, 12h or 1h30m was expected")
