"""Savers for Python's own data: text, bytes, numbers, lists, mappings; files; and pickles."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import RunError
from coolrunner.runs.savers.base import Saver
from coolrunner.runs.savers.coding import json_text
from coolrunner.runs.savers.packing import Packed, Unpacked

if TYPE_CHECKING:
    from coolrunner.runs.savers.registry import Savers

__all__ = ["BytesSaver", "CopySaver", "PickleSaver", "PlainSaver", "TextSaver"]

_SUFFIX = re.compile(r"\.[A-Za-z]\w*\Z")
_YAML_KEYS = frozenset({str, int, bool})


class PlainSaver(Saver):
    """Numbers, lists, mappings and the like as JSON, or as YAML where the name says so.

    What JSON has no word for stands there as `coolrunner.runs.savers.coding` says, and is read back as
    what it was.

    Parameters
    ----------
    savers
        What knows the types of libraries.
    """

    suffixes = (".json", ".yaml", ".yml")

    def __init__(self, savers: Savers) -> None:
        self._savers = savers

    def save(self, obj: Any, path: Path) -> None:
        """Write plain data."""
        if path.suffix.lower() == ".json":
            text = json_text(Packed(self._savers).pack(obj))
        else:
            try:
                text = _yaml_text(Packed(self._savers, _YAML_KEYS).pack(obj))
            except UnicodeEncodeError as error:
                raise TypeError(f"YAML cannot hold half a character: {error}") from error
        path.write_bytes(text.encode())

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read plain data; also files that others have written."""
        if path.suffix.lower() == ".json":
            import json

            node = json.loads(path.read_bytes())
        else:
            from coolrunner import yamlio

            node = yamlio.load(path.read_text("utf-8"), str(path))
        return Unpacked(path, self._savers, pickle).unpack(node)


def _yaml_text(node: Any) -> str:
    from coolrunner import yamlio

    if isinstance(node, dict):
        return yamlio.dump(node)
    if isinstance(node, list) and node:
        return "".join(f"- {yamlio.flow_text(item)}\n" for item in node)
    return yamlio.flow_text(node) + "\n"


class TextSaver(Saver):
    """Text as it is, in UTF-8."""

    suffixes = (
        *(".txt", ".md", ".rst", ".tex", ".log", ".html", ".xml", ".svg", ".csv", ".tsv"),
        *(".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".sh", ".sql"),
    )

    def save(self, obj: Any, path: Path) -> None:
        """Write a text; lone surrogates, which UTF-8 has no bytes for, are kept."""
        path.write_bytes(str.__str__(obj).encode("utf-8", "surrogatepass"))

    def load(self, path: Path, *, pickle: bool = False) -> str:
        """Read a text; bytes that are not UTF-8 become surrogates, as in the names of files."""
        data = path.read_bytes()
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "surrogateescape")


class BytesSaver(Saver):
    """Bytes as they are."""

    suffixes = (
        *(".bin", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".svg", ".mp4", ".wav"),
        *(".zip", ".gz", ".tar", ".npy", ".npz", ".parquet", ".h5", ".onnx"),
    )

    def save(self, obj: Any, path: Path) -> None:
        """Write bytes."""
        path.write_bytes(obj)

    def load(self, path: Path, *, pickle: bool = False) -> bytes:
        """Read bytes."""
        return path.read_bytes()


class CopySaver(Saver):
    """Copies a file, or a directory with all that it holds.

    Parameters
    ----------
    source
        What is to be saved; the copy has its suffix.
    """

    def __init__(self, source: Path) -> None:
        self.suffixes = (source.suffix if source.is_file() else "",)

    def suffix_in(self, name: str) -> str:
        """Return what a name ends with: a copy may have another suffix."""
        found = _SUFFIX.search(name)
        return found[0] if found and found.start() else ""

    def save(self, obj: Any, path: Path) -> None:
        """Copy; links are followed, and times are kept."""
        import shutil

        source = Path(os.fspath(obj))
        if not source.exists():
            raise RunError(f"there is no file {source} to save")
        if not source.is_dir():
            shutil.copy2(source, path)
            return
        if path.parent.resolve().is_relative_to(source.resolve()):
            raise RunError(f"{source} cannot be copied into itself")
        shutil.copytree(source, path)

    def load(self, path: Path, *, pickle: bool = False) -> Path:
        """Return where the copy is: nothing more is known of such a file."""
        return path


class PickleSaver(Saver):
    """Anything that Python can pickle; for those who ask for it by name."""

    suffixes = (".pkl", ".pickle")

    def save(self, obj: Any, path: Path) -> None:
        """Write a pickle."""
        import pickle

        with path.open("wb") as file:
            try:
                pickle.dump(obj, file, protocol=pickle.HIGHEST_PROTOCOL)
            except (pickle.PicklingError, AttributeError) as error:
                raise TypeError(f"it cannot be pickled: {error}") from error

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read a pickle, where that is allowed: it can run any code."""
        if not pickle:
            raise RunError(
                f"{path} is a pickle, which can run any code when it is read; "
                "if you trust who wrote it, say so: load(..., pickle=True)"
            )
        import pickle as pickles

        with path.open("rb") as file:
            return pickles.load(file)
