"""Experiments in the words of a queue file, and the words of people as experiments."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from coolrunner.definition.adding import Adding, Completed, complete_text
from coolrunner.definition.expressions import History
from coolrunner.definition.needs import after_names, asked_of_past, is_name
from coolrunner.definition.plan import Plan, Planned, new_id
from coolrunner.definition.templates import MARK
from coolrunner.errors import DefinitionError, Position, Problem, nearest
from coolrunner.experiment import Experiment, freeze
from coolrunner.queue.base import Facts
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.saves import Draft
from coolrunner.results.logs.finding import LoggedIds
from coolrunner.studies.facts import facts_from, facts_of
from coolrunner.yamlio import Document, dump, read_text

__all__ = ["StudyScribe"]

_Place = tuple[int, str]  # index and ID
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
    left_out
        The IDs of those of the plan's experiments that are not run, though they are not skipped.
    """

    def __init__(self, plan: Plan | None = None, *, code: bool = True) -> None:
        self.plan = plan
        self.left_out: set[str] = set()
        self._code = code
        self._adding: tuple[Mapping[str, Any], Adding] | None = None
        self._logged: dict[str, LoggedIds] = {}
        self._drafted: dict[int, Experiment] = {}
        self._save: Sequence[Draft] = ()  # the one of which drafts were adopted last, and these
        self._adopted: dict[str, Facts] = {}
        self._known: dict[int, dict[str, list[_Place]]] = {}  # what the queue has, since a place of its list

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
        return facts_of(item, runs=item.runs and item.id not in self.left_out)

    def text_of(self, item: Planned) -> str:
        """Return an experiment's document."""
        text = dump({**item.experiment.inputs, "ID": item.id})[:-1]
        if self.plan is None or not item.document:
            return text
        definition = self.plan.definition
        line = definition.documents[definition.document_of(item.document)].line
        return f"# {self.plan.study}, line {line}\n{text}"

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
        if draft.others is not self._save or not draft.others:
            self._save, self._adopted, self._known = draft.others, {}, {}
        if before is not None and known is not None and _asks_for_the_same(known, completed):
            needs = before.facts.needs
        else:
            needs = self._needs(draft, completed, ledger, first)
        facts = self._adopted[draft.identity] = facts_from(completed.values, draft.index, first, needs)
        if known is None:
            self._drafted[draft.index] = Experiment(completed.values)
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
        own = str(completed.values.get("Name"))
        by_name = self._by_name(draft, own, ledger, first)
        needs: dict[str, None] = {}
        for name in completed.after:
            if name in by_name:
                needs.update((identity, None) for _, identity in by_name[name])
            elif name != own or "After" in draft.value:  # else it stands in the defaults, for the others
                raise _wrong(draft, "After", *_unknown(name, own, by_name))
        for asked in completed.past:
            found = _asked(asked.key, by_name, ledger, first, draft.index)
            if found:
                needs[found] = None
        circle = self._circle(ledger, draft, needs)
        if circle is not None:
            names = " → ".join([own, *circle, own])
            raise _wrong(draft, "After", f"it would wait for itself: {names}")
        return tuple(needs)

    def _by_name(self, draft: Draft, own: str, ledger: Ledger, first: int) -> Mapping[str, list[_Place]]:
        """Return those that a document may wait for, by name: known, or of the same save."""
        others = {other.identity: other for other in draft.others}
        known = self._known.get(first)
        if known is None:
            known = self._known[first] = {}
            for entry in ledger.entries.values():
                facts = entry.facts
                is_other = entry.id != draft.identity and entry.id not in others
                if is_other and facts.runs and facts.index >= first:
                    known.setdefault(facts.name, []).append((facts.index, entry.id))
        found: dict[str, list[_Place]] = {}
        for other in others.values():
            name = self._name_of(other)
            # Several of one name that are to wait for it wait for those above them.
            is_below = name == own and other.index > draft.index
            if name and other.identity != draft.identity and other.index >= first and not is_below:
                found.setdefault(name, [*known.get(name, ())]).append((other.index, other.identity))
        return ChainMap(found, known)

    def _name_of(self, draft: Draft) -> str:
        """Return the name of another draft, as far as it is known yet."""
        facts = self._adopted.get(draft.identity)
        if facts is not None:
            return facts.name
        name = draft.value.get("Name")
        return str(name) if is_name(name) and not str(name).startswith(MARK) else ""

    def _circle(self, ledger: Ledger, draft: Draft, needs: Mapping[str, None]) -> list[str] | None:
        """Return the names along a way from `needs` back to a draft; None where there is none."""
        others = {other.identity for other in draft.others}

        def facts_of(identity: str) -> Facts | None:
            if identity in others:
                return self._adopted.get(identity)  # one that is not adopted yet will look for itself
            entry = ledger.entries.get(identity)
            return entry.facts if entry else None

        stack: list[tuple[str, tuple[str, ...]]] = [(need, (need,)) for need in needs]
        seen = set(needs)
        while stack:
            current, way = stack.pop()
            if current == draft.identity:
                return [facts.name for facts in map(facts_of, way[:-1]) if facts]
            facts = facts_of(current)
            for need in facts.needs if facts else ():
                if need not in seen:
                    seen.add(need)
                    stack.append((need, (*way, need)))
        return None


def _asks_for_the_same(known: Mapping[str, Any], completed: Completed) -> bool:
    """Whether a changed document waits for what it waited for: then its names mean what they meant."""
    return (
        after_names(known.get("After")) == completed.after and tuple(asked_of_past(known)) == completed.past
    )


def _unknown(name: str, own: str, by_name: Mapping[str, object]) -> tuple[str, str]:
    """Return message and hint for a name in ``After`` that nobody has."""
    if name == own:
        return f"After: {name} would wait for itself", "remove it"
    close = nearest(name, by_name)
    message = f"After: no experiment of this study is named {name!r}"
    return message, f"did you mean {close}?" if close else ""


def _asked(
    key: int | str, by_name: Mapping[str, Sequence[tuple[int, str]]], ledger: Ledger, first: int, index: int
) -> str:
    if isinstance(key, str):
        before = [one for one in by_name.get(key, ()) if one[0] < index]
        return max(before)[1] if before else ""
    identity = ledger.roster.get(index + key if key < 0 else first + key, "")
    return identity if identity and ledger.entries[identity].facts.runs else ""


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
