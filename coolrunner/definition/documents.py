"""A definition as it stands in its file: the default config, the experiments' documents, and places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from coolrunner.definition.overrides import Override, apply_overrides, parse_override
from coolrunner.definition.problems import Problems, shown
from coolrunner.errors import Position, Problem, YamlError
from coolrunner.yamlio import Document, Source, moved, read_documents, read_source, split_documents

__all__ = ["Definition", "Variants", "no_mapping", "read_default", "read_definition"]


class Variants(Protocol):
    """The combinations of sweeps; each has a number, as documents have, above those of all documents."""

    def document(self, number: int) -> int:
        """Return the number of the document that a combination is one of."""

    def written(self, number: int, path: Sequence[Any]) -> tuple[int, Sequence[Any]] | None:
        """Return the document and the path where its value at a path is written, if a sweep gives it."""

    def varies(self, number: int, path: Sequence[Any]) -> bool:
        """Whether its value at a path, or a part of that, is given by a sweep."""


@dataclass
class Definition:
    """The documents of a definition after overrides, before anything is repeated or evaluated.

    Attributes
    ----------
    source
        The file's text.
    default
        The first document, without ``Global``.
    settings
        The first document's ``Global``.
    experiments
        The mappings of the later documents.
    documents
        The documents as read: the first, then one for each of `experiments`.
    overrides
        What the command line changed.
    complete
        False where a document could not be read, so that only the form of the others can be checked.
    elsewhere
        Where the experiments stand, if that is not `source`.
    variants
        The combinations of its sweeps, once they are read. What is known of a document by its number is
        known of each of its combinations by the combination's number.
    """

    source: Source
    default: dict[str, Any]
    settings: Any
    experiments: list[dict[str, Any]]
    documents: list[Document]
    overrides: list[Override] = field(default_factory=list)
    complete: bool = True
    elsewhere: Source | None = None
    variants: Variants | None = None

    def document_of(self, number: int) -> int:
        """Return the number of a document, also where `number` is that of one of its combinations."""
        if self.variants is None or number <= len(self.experiments):
            return number
        return self.variants.document(number)

    def source_of(self, number: int) -> Source:
        """Return the text in which document `number` stands, 0 the default."""
        return self.elsewhere if number and self.elsewhere is not None else self.source

    def position(self, number: int, path: Sequence[Any], *, key: bool = False) -> Position:
        """Return the place of a key's value (or of the key) in document `number`, 0 the default."""
        number, path = self._written(number, path, key)
        override = self._override_of(number, path)
        if override is not None:
            return override.position(path, key=key)
        source = self.source_of(number)
        line, column = source.locate(self.documents[number], tuple(path), key=key)
        return Position(source.name, line, column)

    def problem(
        self,
        number: int,
        path: Sequence[Any],
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        skip: int = 0,
    ) -> Problem:
        """Return a problem with the value (or key) at `path` of document `number`.

        `skip` moves the caret that many characters into the value, where it stands on one line.
        """
        number, path = self._written(number, path, key)
        override = self._override_of(number, path)
        if override is not None:
            return override.problem(path, message, hint, key=key, skip=skip)
        source = self.source_of(number)
        line, column = source.locate(self.documents[number], tuple(path), key=key, skip=skip)
        return source.problem(message, line, column, hint)

    def origin(self, number: int, path: Sequence[Any]) -> int:
        """Return the document in which an experiment's key is given: its own, or 0 for the default."""
        if self.variants is not None and number > len(self.experiments):
            if self.variants.varies(number, path):
                return number
            number = self.variants.document(number)
        return number if number and path and path[0] in self.experiments[number - 1] else 0

    def _written(self, number: int, path: Sequence[Any], key: bool) -> tuple[int, Sequence[Any]]:
        """Return the document and the path at which a value is written, or its key."""
        if self.variants is None or number <= len(self.experiments):
            return number, path
        found = self.variants.written(number, path)
        if found is not None:
            there = list(found[1])
            while key and there and isinstance(there[-1], int):  # a place in a list has no key
                del there[-1]
            return found[0], there
        number = self.document_of(number)
        inherited = bool(path) and path[0] not in self.experiments[number - 1] and path[0] in self.default
        return 0 if inherited else number, path

    def _override_of(self, number: int, path: Sequence[Any]) -> Override | None:
        within = [change for change in reversed(self.overrides) if change.everywhere or not number]
        for change in within:
            if path and tuple(path[: len(change.path)]) == change.path:
                return change
        # A mapping that came into being for one of its keys stands nowhere in the file.
        if path and within and not _holds(self.documents[number].value, path):
            return next((change for change in within if change.path[: len(path)] == tuple(path)), None)
        return None


def _holds(value: Any, path: Sequence[Any]) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


@dataclass(frozen=True, eq=False)
class _WithSweeps(Source):
    """A definition in which YAML takes a distribution for one text, also inside ``{...}``."""

    @cached_property
    def as_read(self) -> Source:
        """The same with signs in distributions that YAML does not heed."""
        from coolrunner.definition.sweeps.distributions import shielded

        return Source(self.name, shielded(self.text))

    def locate(self, document: Document, path: Any, *, key: bool = False, skip: int = 0) -> tuple[int, int]:
        """Return line and column of the value at a path, or of its key."""
        return self.as_read.locate(document, path, key=key, skip=skip)

    @staticmethod
    def unshielded(document: Document) -> Document:
        """Return a document with its signs back."""
        from coolrunner.definition.sweeps.distributions import unshielded

        return replace(document, value=unshielded(document.value))

    @staticmethod
    def as_written(problem: Problem) -> Problem:
        """Return a problem that shows its line with its signs back."""
        from coolrunner.definition.sweeps.distributions import unshielded

        return replace(problem, message=unshielded(problem.message), line=unshielded(problem.line))


def _with_sweeps(source: Source) -> Source:
    """Return the source itself where nothing is drawn in it."""
    if "Sweep" not in source.text:
        return source
    found = _WithSweeps(source.name, source.text)
    return source if found.as_read.text == source.text else found


def _documents(source: Source) -> Iterator[Document]:
    if not isinstance(source, _WithSweeps):
        yield from read_documents(source)
        return
    try:
        yield from map(_WithSweeps.unshielded, read_documents(source.as_read))
    except YamlError as error:
        raise YamlError(_WithSweeps.as_written(error.problem)) from None


def read_definition(
    path: Path | str | Source, overrides: Sequence[str], problems: Problems
) -> Definition | None:
    """Read a definition and apply overrides; every mistake in its form is noted in `problems`.

    Returns
    -------
    The definition, or None where it cannot be used at all.
    """
    changes = [change for text in overrides if (change := parse_override(text, problems))]
    try:
        source = _with_sweeps(path if isinstance(path, Source) else read_source(path))
    except YamlError as error:
        problems.add(error.problem)
        return None
    complete = True
    try:
        documents = list(_documents(source))
    except YamlError as error:
        complete = False
        documents = _read_one_by_one(source, error.problem, problems)
    mappings = _mappings(source, documents, complete, problems)
    if not mappings:
        return None
    complete = complete and len(mappings) == len(documents)
    return _changed(source, mappings, changes, problems, complete)


def read_default(source: Source, overrides: Sequence[str], problems: Problems) -> Definition:
    """Read a definition's first document alone, and apply overrides; an empty text has no defaults."""
    changes = [change for text in overrides if (change := parse_override(text, problems))]
    source = _with_sweeps(source)
    try:
        document = next(_documents(source), Document(None, 1, 0))
    except YamlError as error:
        problems.add(error.problem)
        document = Document(None, 1, 0)
    if not isinstance(document.value, dict):
        if document.value is not None:
            problems.add(no_mapping(source, document))
        document = Document({}, document.line, document.start)
    # What is set everywhere is set in the experiments of the definition, and in no other.
    changes = [replace(change, everywhere=False) for change in changes]
    return _changed(source, [document], changes, problems)


def _changed(
    source: Source,
    documents: list[Document],
    changes: list[Override],
    problems: Problems,
    complete: bool = True,
) -> Definition:
    first, *later = documents
    default = dict(first.value)
    experiments = [dict(document.value) for document in later]
    # Overrides are set in mappings of our own: `documents` keep what the file holds.
    for change in changes:
        for target in (default, *experiments) if change.everywhere else (default,):
            _own_path(target, change.path)
    apply_overrides(changes, default, experiments, problems)
    settings = default.pop("Global", None)
    return Definition(source, default, settings, experiments, documents, changes, complete)


def _own_path(target: dict[str, Any], path: Sequence[str | int]) -> None:
    inner: dict[Any, Any] = target
    for key in path[:-1]:
        value = inner.get(key)
        if not isinstance(value, dict):
            return
        own = inner[key] = dict(value)
        inner = own


def _mappings(
    source: Source, documents: list[Document], complete: bool, problems: Problems
) -> list[Document]:
    """Return the documents that are mappings, as all of them should be; note what is wrong.

    The first stays the first: an empty mapping stands for a default config that is none.
    """
    if not documents or (len(documents) == 1 and documents[0].value is None):
        if complete:
            problems.add(Problem("this file is empty; a definition was expected", Position(source.name)))
        return []
    found: list[Document] = []
    for number, document in enumerate(documents):
        value = document.value
        if isinstance(value, dict):
            found.append(document)
            continue
        if not number:
            found.append(Document({}, document.line, document.start))
        # An empty first one is "---" before the first word, or no defaults: both are fine.
        if number or value is not None:
            problems.add(no_mapping(source, document))
    if len(documents) == 1 and complete:
        problems.add(
            source.problem(
                "there is no experiment: this file holds the default config alone",
                documents[0].line,
                1,
                "add a document for each experiment, after a line '---'",
            )
        )
    return found


def no_mapping(source: Source, document: Document) -> Problem:
    """Return the problem with a document that is no mapping."""
    value, (line, column) = document.value, source.locate(document, ())
    if value is None:
        hint = "remove the '---' before it, or write {} for an experiment of defaults alone"
        return source.problem("this document is empty", line, column, hint)
    kind = "a list" if isinstance(value, list) else shown(value)
    hint = "write a space after the colon" if isinstance(value, str) and ":" in value else ""
    return source.problem(f"a mapping (Key: value) was expected, this document is {kind}", line, column, hint)


def _read_one_by_one(source: Source, first: Problem, problems: Problems) -> list[Document]:
    """Return the documents of a broken stream that can be read, and note each that cannot."""
    documents: list[Document] = []
    readable = True
    lines = [0]  # where each line begins
    for line in source.text.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    for raw in split_documents(source.text):
        before = raw.line - 1
        # Spaces stand for a marker that the text stands behind.
        marked = len(source.line(raw.line)) - len(raw.text.partition("\n")[0].rstrip("\r"))
        try:
            for document in _documents(_with_sweeps(Source(source.name, " " * marked + raw.text))):
                start = document.start + lines[before]
                documents.append(Document(document.value, document.line + before, start))
        except YamlError as error:
            readable = False
            problems.add(moved(error, before).problem)
            if not documents:  # the default config itself: nothing can be said of the others
                documents.append(Document({}, raw.line, lines[before]))
    if readable:
        problems.add(first)
    return documents
