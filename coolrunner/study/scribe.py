"""Experiments in the words of a queue file, and the words of people as experiments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from coolrunner.definition.adding import Adding, Completed, complete_text
from coolrunner.definition.expressions import History
from coolrunner.definition.plan import Plan, Planned, new_id
from coolrunner.errors import DefinitionError, Position, Problem, nearest
from coolrunner.experiment import Experiment, freeze
from coolrunner.queue.base import Facts
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.saves import Draft
from coolrunner.results.finding import LoggedIds
from coolrunner.study.facts import facts_from, facts_of
from coolrunner.yamlio import Document, dump, read_text

__all__ = ["StudyScribe"]

_USES_E = re.compile(r"\bE\b")


class StudyScribe:
    """Writes the experiments of one study, and reads what people wrote among them.

    Parameters
    ----------
    plan
        The study's plan, where this process has read the definition.
    code
        Whether expressions are allowed in what people write.

    Attributes
    ----------
    plan
        As given.
    to_run
        The IDs of those of the plan's experiments that are run; None for all that are not skipped.
    """

    def __init__(self, plan: Plan | None = None, *, code: bool = True) -> None:
        self.plan = plan
        self.to_run: set[str] | None = None
        self._code = code
        self._adding: tuple[Mapping[str, Any], Adding] | None = None
        self._logged: dict[str, LoggedIds] = {}
        self._drafted: dict[int, Experiment] = {}
        self._drafted_ids: dict[int, str] = {}

    def new_id(self) -> str:
        """Return a fresh ``ID``."""
        return new_id()

    def is_logged(self, entry: Entry) -> bool:
        """Whether the result of an experiment stands in its log."""
        ids = self._logged.setdefault(entry.facts.log, LoggedIds(entry.facts.log))
        ids.update()
        return entry.id in ids

    # --- experiments to text, and back ---

    def facts_of(self, item: Planned) -> Facts:
        """Return what the queue has to know of an experiment."""
        return facts_of(item, runs=item.runs and (self.to_run is None or item.id in self.to_run))

    def text_of(self, item: Planned) -> str:
        """Return an experiment's document."""
        text = dump({**item.experiment.inputs, "ID": item.id})[:-1]
        if self.plan is None or not item.document:
            return text
        return f"# {self.plan.study}, line {self.plan.definition.documents[item.document].line}\n{text}"

    def item_of(self, entry: Entry) -> Planned:
        """Return the experiment that a document says."""
        facts = entry.facts
        return Planned(
            facts.index,
            entry.id,
            0,
            History(),
            facts.index - facts.first,
            _experiment(entry),
            facts.runs,
            facts.needs,
        )

    # --- what people write ---

    def adopt(self, draft: Draft, ledger: Ledger) -> tuple[str, Facts]:
        """Complete a document that a person wrote or changed.

        Raises
        ------
        DefinitionError
            It is no experiment; each problem names its place in the queue file.
        """
        known = None if draft.known is None else _without_id(read_text(draft.known + "\n"))
        start = self._start_of(draft)
        document = Document(dict(draft.value), draft.line, start)
        before = ledger.entries.get(draft.identity)
        first = before.facts.first if before else 0
        defaults = str(ledger.study.get("defaults", ""))
        uses_past = _USES_E.search(draft.text) or _USES_E.search(defaults)
        history = _LazyHistory(ledger, first, draft.index, self._drafted) if uses_past else History()
        completed = self._adding_of(ledger).complete(
            draft.source,
            document,
            history,
            known=known,
            rnd_taken=lambda number: False,
        )
        needs = self._needs(draft, completed, ledger, first)
        facts = facts_from(completed.values, draft.index, first, needs)
        if known is None:
            self._drafted[draft.index] = Experiment(completed.values)
            self._drafted_ids[draft.index] = draft.identity
        return complete_text(draft.text + "\n", completed, draft.identity).removesuffix("\n"), facts

    def _adding_of(self, ledger: Ledger) -> Adding:
        study = ledger.study
        if self._adding is None or self._adding[0] is not study:
            text, overrides = study.get("defaults", ""), study.get("overrides", ())
            self._adding = (study, Adding(str(study.get("path", "")), text, overrides, code=self._code))
        return self._adding[1]

    def _start_of(self, draft: Draft) -> int:
        """Return where a draft begins in its file, in characters; the first of several alike will do."""
        text = draft.source.text
        start = text.find(draft.text)
        if start < 0:  # comments were joined to it
            for _ in range(draft.line - 1):
                start = text.index("\n", start + 1)
            start += 1
        return start

    def _needs(self, draft: Draft, completed: Completed, ledger: Ledger, first: int) -> tuple[str, ...]:
        """Return the IDs of those that a document waits for; they must be known, and not wait for it."""
        if not completed.after and not completed.past:
            return ()
        needs: dict[str, None] = {}
        by_name: dict[str, list[tuple[int, str]]] = {}
        for entry in ledger.entries.values():
            if entry.facts.runs and entry.facts.first >= first and entry.id != draft.identity:
                by_name.setdefault(entry.facts.name, []).append((entry.facts.index, entry.id))
        for index in range(ledger.next_index, draft.index):  # those above it in the same save
            if index in self._drafted_ids:
                name = str(self._drafted[index].inputs.get("Name"))
                by_name.setdefault(name, []).append((index, self._drafted_ids[index]))
        for name in completed.after:
            if name not in by_name:
                raise _wrong(draft, "After", *_unknown(name, by_name, draft))
            needs.update((identity, None) for _, identity in by_name[name])
        for asked in completed.past:
            found = _asked(asked.key, by_name, ledger, first, draft.index)
            if found:
                needs[found] = None
        circle = _circle(ledger, draft.identity, needs)
        if circle:
            raise _wrong(draft, "After", f"it would wait for itself: {circle}")
        return tuple(needs)


def _unknown(name: str, by_name: Mapping[str, object], draft: Draft) -> tuple[str, str]:
    """Return message and hint for a name in ``After`` that nobody has."""
    if name == str(draft.value.get("Name")):
        return f"After: {name} would wait for itself", "remove it"
    message = f"After: no experiment of this study is named {name!r}"
    if re.search(rf"^Name: *['\"]?{re.escape(name)}['\"]? *$", draft.source.text, re.MULTILINE):
        return message, "it stands further down and is new as well: move it above this document"
    close = nearest(name, by_name)
    return message, f"did you mean {close}?" if close else ""


def _asked(
    key: int | str, by_name: Mapping[str, Sequence[tuple[int, str]]], ledger: Ledger, first: int, index: int
) -> str:
    if isinstance(key, str):
        before = [one for one in by_name.get(key, ()) if one[0] < index]
        return max(before)[1] if before else ""
    identity = ledger.roster.get(index + key if key < 0 else first + key, "")
    return identity if identity and ledger.entries[identity].facts.runs else ""


def _circle(ledger: Ledger, identity: str, needs: Mapping[str, None]) -> str:
    """Return the names along a way from `needs` back to an experiment; empty where there is none."""
    stack: list[tuple[str, tuple[str, ...]]] = [(need, (need,)) for need in needs]
    seen = set(needs)
    while stack:
        current, way = stack.pop()
        if current == identity:
            return " → ".join(ledger.entries[step].facts.name for step in (identity, *way))
        entry = ledger.entries.get(current)
        for need in entry.facts.needs if entry else ():
            if need not in seen:
                seen.add(need)
                stack.append((need, (*way, need)))
    return ""


def _wrong(draft: Draft, key: str, message: str, hint: str = "") -> DefinitionError:
    for number, line in enumerate(draft.text.split("\n")):
        if line.startswith(f"{key}:"):
            place = Position(draft.source.name, draft.line + number, len(key) + 3)
            return DefinitionError([Problem(message, place, line, hint)])
    return DefinitionError([Problem(message, Position(draft.source.name, draft.line, 1), "", hint)])


def _without_id(values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "ID"} if isinstance(values, dict) else {}


def _experiment(entry: Entry) -> Experiment:
    values = _without_id(read_text(entry.text + "\n"))
    values.pop("Hold", None)
    # What stands behind REP in a log is a result; people write wherever they like.
    drawn = "RND_IDX" in values and list(values).index("RND_IDX") > list(values).index("REP")
    for key in ("REP", "RND_IDX") if drawn else ("REP",):
        values[key] = values.pop(key)
    return Experiment({key: freeze(value) for key, value in values.items()})


class _LazyHistory(History):
    """``E`` for a document in a queue: the experiments of its study before it, read when asked for."""

    __slots__ = ("_drafted", "_first", "_index", "_ledger", "_read")

    def __init__(self, ledger: Ledger, first: int, index: int, drafted: Mapping[int, Experiment]) -> None:
        super().__init__()
        self._ledger = ledger
        self._first = first
        self._index = index
        self._drafted = drafted
        self._read: dict[int, Experiment] = {}

    def _fill(self) -> None:
        if self._ledger is not None and not self._experiments:
            for index in range(self._first, self._index):
                self.append(self._at(index))

    def _at(self, index: int) -> Experiment:
        identity = self._ledger.roster.get(index)
        if identity is None:
            return self._drafted.get(index, Experiment({}))
        return _experiment(self._ledger.entries[identity])

    @overload
    def __getitem__(self, key: int | str) -> Experiment: ...
    @overload
    def __getitem__(self, key: slice) -> list[Experiment]: ...
    def __getitem__(self, key: int | str | slice) -> Experiment | list[Experiment]:
        """Return an experiment by index or name, or a list by slice."""
        if isinstance(key, int) and -len(self) <= key < len(self):
            index = (self._index if key < 0 else self._first) + key
            if index not in self._read:
                self._read[index] = self._at(index)
            return self._read[index]
        self._fill()
        return super().__getitem__(key)

    def __len__(self) -> int:
        return self._index - self._first

    def __iter__(self) -> Iterator[Experiment]:
        self._fill()
        return super().__iter__()

    def __contains__(self, item: object) -> bool:
        self._fill()
        return super().__contains__(item)
