"""Queue files that end in the middle, because whoever wrote them was killed or has not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coolrunner.errors import Problem
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.text import FIRST_LINE, Sheet

if TYPE_CHECKING:
    from coolrunner.yamlio import Source

__all__ = ["cut_off"]


def cut_off(ledger: Ledger, sheet: Sheet, source: Source) -> Problem | None:
    """Return what is wrong with a file that ends in the middle of a document; None where it does not."""
    if sheet.whole:
        return None
    what = ""
    last = sheet.texts[-1] if sheet.texts else ""
    text, _, tail = last.rpartition("\n")
    if not sheet.texts and sheet.revision is None and sheet.text.startswith("#"):
        what = "in its first lines" if FIRST_LINE.startswith(sheet.text[: len(FIRST_LINE)]) else ""
    elif sheet.open_end:
        what = 'behind a "---"'
    elif tail in ("-", "--", ".", "..") and text in ledger.by_text:
        what = "in the middle of a line"
    elif last and last not in ledger.by_text:
        whole = set(sheet.texts)
        base = ledger.published if sheet.revision is None else sheet.revision
        for entry in ledger.entries.values():
            # Else it is a new one that begins like another.
            if entry.text.startswith(last) and entry.was_shown(base) and entry.text not in whole:
                what = f"in the middle of {entry.facts.name} ({entry.id})"
                break
    if not what:
        return None
    line = source.text.removesuffix("\n").count("\n") + 1
    hint = 'save it again, whole (its last line is "..."), or delete it: then it is written again'
    message = f"the file ends {what}: is it half-written?"
    return source.problem(message, line, len(source.line(line)) + 1, hint)
