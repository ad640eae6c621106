"""Copies of this checkout, and Pythons and shells to use them with, for the acceptance tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_checkout(target: Path) -> Path:
    """Copy what a clone of this working tree would have, and what is not committed yet; return `target`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def bare_python(target: Path) -> str:
    """Make an environment with nothing in it, not even pip, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
    return str(target / "bin" / "python")


def equipped_python(target: Path) -> str:
    """Make an environment that has what this one has, and return its Python."""
    python = bare_python(target)
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    library = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (library / "borrowed.pth").write_text("".join(f"{path}\n" for path in paths))
    return python


def shell(
    command: str, *, cwd: Path, bin: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line as a person would type it; `bin` comes first on the path."""
    path = f"{bin}{os.pathsep}{os.environ['PATH']}" if bin else os.environ["PATH"]
    return run(["bash", "-c", command], cwd=cwd, PATH=path, **variables)


def run(command: list[str], *, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal; its output and its errors come back apart."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**clean_environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )


def clean_environment() -> Mapping[str, str]:
    """Return this process's variables without those that would reach into a child's Python."""
    leaking = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "COLUMNS", "SLACK_BOT_TOKEN")
    return {name: value for name, value in os.environ.items() if name not in leaking}


def write_script(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
