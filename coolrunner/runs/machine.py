"""What a run finds around it: the machine, its CPU and GPUs, and the packages of its Python.

All of it is read from names and small files, so that it costs a millisecond.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["cpu_name", "gpus", "installed_packages", "machine_facts"]


def installed_packages(path: Sequence[str]) -> Mapping[str, str | None]:
    """Return what is installed along an import path, and the versions.

    Parameters
    ----------
    path
        As `sys.path` is; what comes first wins.

    Returns
    -------
    Versions by normalized name, sorted; None where the version is not known.

    Notes
    -----
    Read from the names of directories, since hundreds of files of metadata would take a while. That installed
    projects are recorded in ``name-version.dist-info`` is said in the Python Packaging User Guide.
    """
    found: dict[str, str | None] = {}
    for entry in path:
        try:
            names = os.listdir(entry or ".")  # noqa: PTH208 - a thousand Paths would be made for nothing
        except OSError:
            continue
        for file in sorted(names):
            stem, dot, kind = file.rpartition(".")
            if not dot or kind not in ("dist-info", "egg-info"):
                continue
            name, version = _name_and_version(stem, os.path.join(entry, file))  # noqa: PTH118
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return dict(sorted(found.items()))


def _name_and_version(stem: str, path: str) -> tuple[str, str | None]:
    name, dash, version = re.sub(r"-py\d(\.\d+)?$", "", stem).rpartition("-")
    if dash:
        return name, version
    # What is developed in place has no version in the name.
    try:
        text = Path(path, "PKG-INFO").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return stem, None
    said = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return stem, said[1] if said else None


# --- the machine ---


@lru_cache(maxsize=1)
def machine_facts() -> Mapping[str, Any]:
    """Return what is known of the machine: ``host``, ``cpu``, ``memory`` in bytes and ``gpus``."""
    import platform

    system = platform.uname()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = None
    return {
        "host": {
            "name": system.node,
            "system": system.system,
            "release": system.release,
            "machine": system.machine,
        },
        "cpu": {"name": cpu_name() or None, "count": os.cpu_count(), "usable": usable},
        "memory": memory,
        "gpus": gpus(),
    }


def cpu_name(proc: Path = Path("/proc")) -> str:
    """Return what the CPU is called; empty where that is not known.

    Parameters
    ----------
    proc
        Where Linux shows its own; Intel's and AMD's have a ``model name`` there.
    """
    try:
        # The kernel measures the frequency of each CPU whose lines are read; the first one is enough.
        with (proc / "cpuinfo").open("rb", buffering=0) as file:
            text = file.read(2048).decode(errors="replace")
    except OSError:
        text = ""
    said = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    return said[1].strip() if said else ""


def gpus(root: Path = Path("/")) -> list[dict[str, str | None]]:
    """Return the GPUs that the drivers of NVIDIA and AMD show as files, which asks no GPU to wake up.

    Parameters
    ----------
    root
        Where the file system begins.
    """
    return [*_nvidia(root / "proc/driver/nvidia"), *_amd(root / "sys/class/kfd/kfd/topology/nodes")]


def _nvidia(driver: Path) -> list[dict[str, str | None]]:
    # As the README of NVIDIA's driver for Linux describes them, under "/proc filesystem interface".
    files = sorted((driver / "gpus").glob("*/information"))
    said = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", _text_of(driver / "version")) if files else None
    found = []
    for text in map(_text_of, files):
        known = {
            key.strip(): value.strip()
            for key, _, value in (line.partition(":") for line in text.splitlines())
        }
        found.append(
            {"name": known.get("Model"), "driver": said[1] if said else None, "uuid": known.get("GPU UUID")}
        )
    return found


def _amd(nodes: Path) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []
    for node in sorted(nodes.glob("[0-9]*"), key=lambda node: int(node.name)):
        lines = (line.partition(" ") for line in _text_of(node / "properties").splitlines())
        known = {key: value.strip() for key, _, value in lines}
        if known.get("simd_count", "0") != "0":  # a CPU has none
            unique = int(known.get("unique_id", 0))
            name = _text_of(node / "name").strip()
            found.append(
                {"name": name or None, "driver": "amdgpu", "uuid": f"GPU-{unique:016x}" if unique else None}
            )
    return found


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
