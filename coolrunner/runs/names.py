"""Names of runs, marks, metrics and files: made safe, or refused.

What a program makes up (the name of a run, a value that becomes a mark) is made safe by `safe_part`;
what a person writes as a path is looked at by `parts_of`, and refused where it leads elsewhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from coolrunner.errors import BadNameError

__all__ = ["LONGEST", "absolute", "parts_of", "safe_part", "shown"]

#: Bytes that one part of a path may have, on nearly every file system.
LONGEST = 255

_WINDOWS = os.name == "nt"
# Controls, lone surrogates, and what breaks lines elsewhere.
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
# Windows takes these for something else.
_ELSEWHERE = r'\\:*?"<>|' if _WINDOWS else ""
_REFUSED = re.compile(f"[{_CONTROL}{_ELSEWHERE}]")
# A "%" is escaped only where it would be taken for an escape, so that "50%" stays as it is.
_ESCAPED = re.compile(f"[/{_CONTROL}{_ELSEWHERE}]|^\\.|%(?=[0-9A-Fa-f]{{2}})")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)
_USUAL = re.compile(r"[A-Za-z0-9_+=@,()-][A-Za-z0-9_+=@,().-]*\Z")


def safe_part(text: object, *, limit: int = 120) -> str:
    """Return a text as one part of a path, different for different texts.

    Parameters
    ----------
    text
        Anything; what is no string is written as one. Where it holds a slash, a control character, a
        lone surrogate or a dot in front, that becomes ``%2F`` and so on, as in addresses.
    limit
        Bytes that it may have, at most 255; what is longer is cut, and told apart by a digest.

    Returns
    -------
    Never empty (``_`` stands for nothing), and never ``.`` or ``..``.
    """
    text = str(text)
    if len(text) <= limit and _USUAL.match(text) and not _WINDOWS:
        return text
    safe = _ESCAPED.sub(_escape, text) or "_"
    if _WINDOWS:
        if safe[-1] in ". ":
            safe = safe[:-1] + f"%{ord(safe[-1]):02X}"
        if _DEVICES.match(safe):
            safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    data = safe.encode()
    return safe if len(data) <= limit else _cut(data, limit)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _cut(data: bytes, limit: int) -> str:
    import hashlib  # few names are so long

    kept = data[: limit - 9].decode(errors="ignore")
    # Half an escape would mean something else.
    kept = re.sub(r"%[0-9A-F]?\Z", "", kept)
    return f"{kept}-{hashlib.sha256(data).hexdigest()[:8]}"


def parts_of(text: str, what: str) -> tuple[str, ...]:
    """Return the parts of a name that nests with ``/``.

    Parameters
    ----------
    text
        What a person or a Module gave as a name.
    what
        What it is the name of, for the error: "the mark", "the metric".

    Raises
    ------
    BadNameError
        It is empty, absolute, has an empty part, ``.`` or ``..``, a control character or a line break,
        what UTF-8 cannot hold, or a part of more than 255 bytes.
    """
    if not isinstance(text, str):
        raise BadNameError(f"{what} must be a text, not {text!r}")
    if not text:
        raise BadNameError(f"{what} is empty")
    parts = tuple(text.split("/"))
    if not parts[0]:
        raise BadNameError(f"{what} must not begin with a slash: {shown(text)}")
    for part in parts:
        problem = _problem(part)
        if problem:
            raise BadNameError(f"{what} {problem}: {shown(text)}")
    return parts


def _problem(part: str) -> str:
    if not part:
        return "has an empty part"
    if part in (".", ".."):
        return f"must not have the part '{part}'"
    if _REFUSED.search(part):
        return "has a character that a name cannot have"
    if len(part) * 4 > LONGEST and len(part.encode()) > LONGEST:
        return f"has a part of more than {LONGEST} bytes"
    if _WINDOWS and (part[-1] in ". " or _DEVICES.match(part)):
        return f"has the part '{part}', which Windows does not allow"
    return ""


def shown(text: str) -> str:
    """Return a name as it may be printed: escaped, and not too long."""
    escaped = ascii(text) if _REFUSED.search(text) else repr(text)
    return escaped if len(escaped) <= 100 else f"{escaped[:60]}…{escaped[-20:]}"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return a path as an absolute one without ``..``; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - it would leave ".." where it is
