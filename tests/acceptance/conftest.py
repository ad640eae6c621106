"""What the acceptance tests share."""

from __future__ import annotations

from collections.abc import Iterator
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
    project.close()


@pytest.fixture(params=["local", "inline"])
def executor(request: pytest.FixtureRequest) -> list[str]:
    """The arguments for one executor and for the other."""
    return ["--inline"] if request.param == "inline" else []
