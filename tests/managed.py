"""What the tests of managers look at: the files, the metrics and the status of a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from coolrunner.runs.rows import read_metrics


def metrics(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the steps and the values of each metric in a directory."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(path / "metrics.csv"):
        found.setdefault(row.name, []).append((row.step, row.value))
    return found


def files(directory: Path) -> list[str]:
    """Return the files below a directory."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def status(directory: Path) -> dict[str, Any]:
    """Return what the status of a run says."""
    data: dict[str, Any] = yaml.safe_load((directory / "status.yaml").read_text())
    return data
