"""Processes as ``/proc`` shows them."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["children", "marked"]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def marked(needle: bytes) -> list[int]:
    """Return the processes whose environment holds a line."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and needle in (entry / "environ").read_bytes().split(b"\0"):
                state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state not in (b"Z", b"X"):
                    found.append(int(entry.name))
    return found
