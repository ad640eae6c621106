"""What a save of the queue file consists of: drafts to complete, changes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from coolrunner.errors import Problem
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.entries import Entry

if TYPE_CHECKING:
    from coolrunner.yamlio import Source

__all__ = ["Adopt", "Draft", "Refused", "Save", "canonical", "notes", "words_of"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that a person wrote or changed.

    Attributes
    ----------
    source
        The whole saved file.
    text
        The document's text, without the line break at its end.
    line
        Where it begins, from 1.
    value
        Its data.
    identity
        The ``ID`` that it has or gets.
    index
        Its place in the study's list.
    known
        The text that it had before, where it is a change; None for a new one.
    others
        All drafts of the same save, in its order; this one is among them.
    """

    source: Source
    text: str
    line: int
    value: Mapping[str, Any]
    identity: str
    index: int
    known: str | None = None
    others: Sequence[Draft] = field(default=(), repr=False, compare=False)


class Adopt(Protocol):
    """Completes a draft: returns its text for the file, and the facts of it.

    Raises
    ------
    DefinitionError
        It cannot be an experiment, or its expressions fail.
    """

    def __call__(self, draft: Draft) -> tuple[str, Facts]:
        """Return the completed text (no line break at its end) and what the queue has to know."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A document of an experiment that runs or ran already: changing it changes nothing.

    Attributes
    ----------
    id, status
        The experiment's.
    line, text
        The document's, in the saved file.
    """

    id: str
    status: Status
    line: int
    text: str

    @property
    def comment(self) -> str:
        """What is written into the file in place of the document, so that nothing written is lost."""
        written = self.text.split("\n")
        lines = [line for line in written if not line.startswith("ID:")]
        if lines == written:  # it stands in braces, say
            from coolrunner.yamlio import dump, read_text

            value = read_text(f"{self.text}\n")
            lines = dump({key: value[key] for key in value if key != "ID"}).splitlines()
        note = f"# Not run, for {self.id} was started before. To run it so, make this a document:"
        return "\n".join([note, *(f"#   {line}".rstrip() for line in lines)]) + "\n"


@dataclass
class Save:
    """What a save means.

    Attributes
    ----------
    record
        What it changes, for the journal; empty where that is nothing.
    problems
        Why nothing of it holds for now.
    refused
        What a person wanted of experiments that run or ran already.
    stay_removed
        The experiments that it shows, and that others have deleted since it was made.
    """

    record: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    stay_removed: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What it changed, in a few words; empty where it changed no experiment."""
        words = {"edit": "changed", "remove": "removed", "new": "added", "restore": "put back"}
        return ", ".join(
            f"{len(self.record[key])} {word}" for key, word in words.items() if self.record.get(key)
        )


def notes(save: Save, path: Path, entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Yield what a person should know of what a save meant, with its level."""
    if save.summary:
        yield f"{path}: {save.summary}", "info"
    count, some = len(save.stay_removed), ", ".join(save.stay_removed[:5])
    if count:
        more = ", ..." if count > 5 else ""
        told = f"{path}: what was deleted since this file was opened stays deleted ({some}{more}); "
        yield told + "to run it, open the file again and put it back", "info"
    for refused in save.refused:
        name = entries[refused.id].facts.name
        told = (
            f"{path}:{refused.line}: {name} ({refused.id}) is {refused.status.value} already, so this "
            "document changes nothing; it is kept as a comment at the top of the file. To run it in this "
            "form, make it a document again, without its ID"
        )
        yield told, "warning"


def canonical(value: Any) -> str:
    """Return a text that two values share only if they are equal, types included, in any order of keys."""
    if isinstance(value, dict):
        pairs = sorted(f"{canonical(key)}:{canonical(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    # Python writes no integer of thousands of digits in decimals.
    return f"{value:#x}" if type(value) is int else repr(value)


def words_of(document: str | Mapping[str, Any]) -> str:
    """Return what a document says, its ``ID`` left out, as `canonical`; `document` is its text or data.

    Raises
    ------
    YamlError
        The text is not YAML.
    """
    value: Any = document
    if isinstance(document, str):
        from coolrunner.yamlio import read_text

        value = read_text(f"{document}\n")
    return canonical({key: item for key, item in value.items() if key != "ID"})
