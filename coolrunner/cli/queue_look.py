"""``coolrunner queue ls`` and ``show``: the experiments of a queue; changes nothing."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coolrunner.cli.queue_find import called, command, find, queue_of
from coolrunner.cli.queue_pending import Pending, look_at_file
from coolrunner.cli.queue_view import View, history, where
from coolrunner.cli.queue_words import data_of, remarks
from coolrunner.cli.verbs import print_json
from coolrunner.errors import UsageError, nearest
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.reporting.queue import STANDINGS, QueueRow
from coolrunner.reporting.streams import write_text
from coolrunner.reporting.text import duration, one_line

__all__ = ["configure", "execute"]

_LIMIT = 50
# Of a long list so many are looked at to find in what experiments differ.
_COMPARED = 500


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of a verb."""
    add = parser.add_argument
    if verb == "show":
        add("words", nargs="*", metavar="FILE | ID", help="the queue, and experiments by ID or Name")
    else:
        add("words", nargs="*", metavar="FILE", help="the queue")
        add("--all", action="store_true", help="also those that are done, and those that were removed")
        add("--status", metavar="WHICH", help=f"only these: {', '.join(STANDINGS)} (some, with commas)")
        add("--limit", type=int, metavar="N", help=f"at most N, 0 for all (default: {_LIMIT}; all in JSON)")


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    path, words = queue_of(options)
    if options.verb == "show" and not words:
        raise UsageError(f"which experiment? {command('show', path, 'ID')}")
    if options.verb == "ls" and words:
        raise UsageError(f"ls is about the whole queue; {words[0]!r} is too much (see --status)")
    view = View(path)
    pending = look_at_file(view)
    if options.verb == "ls":
        _ls(options, view, pending)
    else:
        _show(options, view, pending, words)
    return 0


# --- ls ---


def _ls(options: argparse.Namespace, view: View, pending: Pending | None) -> None:
    entries = _chosen(options, view)
    limit = options.limit if options.limit is not None else 0 if options.json else _LIMIT
    shown = entries[:limit] if limit > 0 else entries
    if options.json:
        data = [data_of(view, pending, entry) for entry in shown]
        left_out = len(entries) - len(shown)
        counts = view.counts()
        print_json({"queue": str(view.path), "counts": counts, "left_out": left_out} | {"experiments": data})
        return
    from coolrunner.reporting.queue import counted, print_queue

    print_queue(_rows(view, pending, shown), file=sys.stdout)
    total = counted(view.counts()) or "nothing is in this queue"
    if len(shown) < len(entries):
        total = f"{len(shown)} of {len(entries)} are shown (--limit 0 shows all): {total}"
    sys.stdout.write(f"{'' if not shown else chr(10)}{total}\n")
    for remark in remarks(view, pending):
        sys.stderr.write(f"{remark}\n")


def _chosen(options: argparse.Namespace, view: View) -> list[Entry]:
    """Return the experiments to show: those that run, those that wait, those that ended."""
    ledger = view.ledger
    left_out = {Status.SKIPPED} if options.all else {Status.SKIPPED, Status.DONE, Status.REMOVED}
    if options.status is not None:
        left_out = set()
    ended = (entry for entry in ledger.entries.values() if entry.status not in left_out)
    under_way = (Status.WAITING, Status.RUNNING)
    every = [
        *ledger.running(),
        *view.waiting(),
        *(entry for entry in ended if entry.status not in under_way),
    ]
    if options.status is None:
        return every
    wanted = _wanted(options.status)
    return [entry for entry in every if view.standing(entry) in wanted]


def _wanted(text: str) -> set[str]:
    wanted = {word.strip() for word in text.split(",")}
    for word in wanted:
        if word not in STANDINGS:
            close = nearest(word, STANDINGS)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(STANDINGS)}"
            raise UsageError(f"--status: no experiment stands {word!r}; {hint}")
    return wanted


def _rows(view: View, pending: Pending | None, entries: Sequence[Entry]) -> list[QueueRow]:
    from coolrunner.definition.differing import differing_keys, pick_keys

    values = [_values(entry) for entry in entries]
    differing = differing_keys(values[:_COMPARED])
    new = pending.new if pending else frozenset()
    return [
        QueueRow(
            view.standing(entry),
            "" if entry.id in new else entry.id,
            entry.facts.name,
            entry.facts.priority,
            _note(view, entry),
            pick_keys(mapping, differing),
        )
        for entry, mapping in zip(entries, values, strict=True)
    ]


def _values(entry: Entry) -> dict[str, Any]:
    from coolrunner.errors import YamlError
    from coolrunner.yamlio import read_text

    try:
        values = read_text(f"{entry.text}\n")
    except YamlError:
        return {}
    return {key: value for key, value in values.items() if key != "ID"} if isinstance(values, dict) else {}


def _note(view: View, entry: Entry) -> str:
    """Return what else there is to say of an experiment, in a few words."""
    standing = view.standing(entry)
    if entry.status is Status.RUNNING:
        age = f"for {duration(view.age(entry))}"
        if standing == "stale?":
            return f"{age}, runner silent"
        if standing == "lost":
            return "its runner died"
        return f"{age}, cancelled" if entry.id in view.ledger.cancelled else age
    if entry.status is Status.WAITING:
        if entry.not_before > view.now:
            return f"again in {duration(entry.not_before - view.now)}: {entry.error}"
        return "" if standing == "held" else _waits_for(view, entry)
    if entry.status is Status.FAILED:
        return entry.error
    return f"after {duration(entry.elapsed)}" if entry.elapsed else ""


def _waits_for(view: View, entry: Entry) -> str:
    """Return what an experiment waits for: what keeps it from ever running first."""
    ledger = view.ledger
    unmet = [ledger.entries.get(identity) for identity in ledger.unmet(entry)]
    if not unmet:
        return ""
    unmet.sort(key=lambda needed: needed is not None and needed.status in (Status.WAITING, Status.RUNNING))
    first = unmet[0]
    name = f"{first.facts.name} ({view.standing(first)})" if first else "one that is not known"
    return f"needs {name}{f' and {len(unmet) - 1} more' if len(unmet) > 1 else ''}"


# --- show ---


def _show(options: argparse.Namespace, view: View, pending: Pending | None, words: Sequence[str]) -> None:
    entries = find(view.ledger, words)
    if options.json:
        rows = [
            {
                **data_of(view, pending, entry),
                "text": entry.text,
                "history": list(_history(view, entry)),
            }
            for entry in entries
        ]
        print_json({"queue": str(view.path), "experiments": rows})
        return
    for number, entry in enumerate(entries):
        head = "---\n" if number else ""
        lines = [f"# {called(entry)}: {view.standing(entry)}"]
        lines += [f"# {_moment(row['at'])}  {row['what']}" for row in _history(view, entry)]
        write_text(sys.stdout, head + "\n".join(lines) + f"\n{entry.text}\n")


def _moment(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else " " * 19


def _history(view: View, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield what has happened to an experiment: when (None where that is not known), and what."""
    for record in history(view.path, entry.id):
        what = _event(view, entry, record)
        if what:
            yield {"at": record.get("at"), "what": what}


def _event(view: View, entry: Entry, record: Mapping[str, Any]) -> str:
    kind = record.get("t")
    if kind == "put":
        return "put into the queue"
    if kind == "save":
        return ", ".join(_saved(entry.id, record))
    if kind == "again" and entry.id in record.get("ids", ()):
        return "waits again"
    if record.get("id") != entry.id:
        return ""
    if kind == "claim":
        runner = view.ledger.runners.get(record.get("r", ""))
        return f"started by {where(runner)}" if runner else "started"
    if kind == "worker":
        return f"runs as process {record['process'].get('pid')}"
    if kind == "end":
        return _end(record)
    if kind == "free":
        return f"lost: {record.get('why', '')}"
    return "told to stop" if kind == "cancel" else ""


def _saved(identity: str, record: Mapping[str, Any]) -> Iterator[str]:
    words = {
        "new": "added by a person",
        "edit": "changed by a person",
        "remove": "removed by a person",
        "restore": "put back by a person",
        "place": "moved by a person",
    }
    for key, what in words.items():
        if any((row if isinstance(row, str) else row[0]) == identity for row in record.get(key, ())):
            yield what


def _end(record: Mapping[str, Any]) -> str:
    after = f" after {duration(record['elapsed'])}" if record.get("elapsed") else ""
    error = f": {one_line(record['error'])}" if record.get("error") else ""
    kind = f" ({record['kind']})" if record.get("kind") else ""
    again = "; tried again" if record.get("until") else ""
    return f"{record['status']}{after}{error}{kind}{again}"
