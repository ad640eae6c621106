"""What the tests of argparse scripts share."""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coolrunner.frontends import lifetime, origins

__all__ = ["a_root", "git", "make_repository"]


def a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a root for runs, and end the runs that a test leaves open; for ``pytest.fixture``."""
    # The project of these tests is what they make, and not all that pytest has imported.
    monkeypatch.setattr(origins, "script_directory", lambda: tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "exit", sys.exit)
    ends = lifetime._Ends()
    monkeypatch.setattr(lifetime, "_ends", ends)
    yield tmp_path / "exman"
    for each in list(ends._open):
        each.end()
    atexit.unregister(ends._end)


def git(repository: Path, *words: str) -> str:
    """Call git in a repository; return what it prints."""
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-C", str(repository), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(path: Path) -> Path:
    """Make a repository with one commit of one file, ``code.py``."""
    path.mkdir(parents=True)
    git(path, "init", "-q")
    (path / "code.py").write_text("value = 0\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path
