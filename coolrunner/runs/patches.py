"""Patches as git writes them: taken apart by file, and made for files that git does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["is_binary", "is_text", "new_file", "sections"]

_HEAD = b"diff --git "
#: As many bytes as git looks at to tell a text.
_LOOKED_AT = 8000
_ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r"}
_UNSAFE = re.compile(rb'[\x00-\x1f\x7f"\\]')


def is_text(data: bytes) -> bool:
    """Whether git takes a content for text: no zero byte at its beginning."""
    return b"\0" not in data[:_LOOKED_AT]


def sections(patch: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each file in a patch, and its part of the patch.

    Parameters
    ----------
    patch
        From ``git diff --no-renames`` with the prefixes ``a/`` and ``b/``. A file whose kind has changed
        (a link that became a file) comes twice: it is removed, and made anew.
    """
    # Within a section each line begins with a sign or a word of git's own, never with this one.
    starts = [found.start() for found in re.finditer(rb"^diff --git ", patch, re.MULTILINE)]
    for start, end in pairwise([*starts, len(patch)]):
        section = patch[start:end]
        line = section.partition(b"\n")[0][len(_HEAD) :]
        # The same name twice, with prefixes of one length: half of the line is one of them.
        yield _name(line[: len(line) // 2]), section


def is_binary(section: bytes) -> bool:
    """Whether a part of a patch only says that a file differs, and cannot be applied."""
    return re.search(rb"^Binary files .* differ$", section, re.MULTILINE) is not None and not re.search(
        rb"^@@ ", section, re.MULTILINE
    )


def new_file(name: bytes, mode: int, data: bytes) -> bytes:
    """Return a patch that makes a file.

    Parameters
    ----------
    name
        Relative to the repository, with slashes.
    mode
        As git has it: 0o100644, 0o100755, or 0o120000 for a symbolic link.
    data
        Its text, or where the link leads.
    """
    old, new = _quoted(b"a/" + name), _quoted(b"b/" + name)
    lines = [_HEAD + old + b" " + new, b"new file mode %o" % mode]
    if data:
        # A name with a space ends at a tab.
        tab = b"\t" if b" " in name else b""
        count = data.count(b"\n") + (not data.endswith(b"\n"))
        span = b"+1" if count == 1 else b"+1,%d" % count
        lines += [b"--- /dev/null", b"+++ " + new + tab, b"@@ -0,0 " + span + b" @@"]
        lines += [b"+" + line for line in data.removesuffix(b"\n").split(b"\n")]
        if not data.endswith(b"\n"):
            lines.append(b"\\ No newline at end of file")
    return b"\n".join(lines) + b"\n"


def _quoted(name: bytes) -> bytes:
    if not _UNSAFE.search(name):
        return name
    return b'"' + _UNSAFE.sub(lambda found: _escaped(found[0][0]), name) + b'"'


def _escaped(byte: int) -> bytes:
    if byte in b'"\\':
        return b"\\" + bytes([byte])
    return _ESCAPES.get(byte) or b"\\%03o" % byte


def _name(token: bytes) -> bytes:
    if token.startswith(b'"'):
        # Its escapes are those of C, which are Python's as well.
        token = token.strip(b'"').decode("unicode_escape").encode("latin-1")
    return token[2:]
