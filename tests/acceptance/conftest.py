"""What the acceptance tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.studies import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project without anything in it yet; what still runs of it afterwards is ended."""
    path = tmp_path / "project"
    path.mkdir()
    project = Project(path)
    yield project
    for pid in project.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=["local", "inline"])
def executor(request: pytest.FixtureRequest) -> list[str]:
    """The arguments for one executor and for the other."""
    return ["--inline"] if request.param == "inline" else []
