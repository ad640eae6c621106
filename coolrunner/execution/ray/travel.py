"""A run directory where the machine that does the work does not see the root: made there, and brought home.

It is packed as a tar file: the directory below ``run/``, and what the runs of a root share below ``store/``.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from coolrunner.errors import RunError
from coolrunner.runs.attempts import Order, begin
from coolrunner.runs.root import Root

__all__ = ["Luggage", "bring_home", "pack_earlier"]


class Luggage:
    """A run that is made for a while on this machine.

    Parameters
    ----------
    order
        What its runner ordered; None for nothing.
    earlier
        What `pack_earlier` gave.

    Attributes
    ----------
    order
        The same, for a root of this machine.
    """

    def __init__(self, order: Order | None, earlier: bytes = b"") -> None:
        self._path = Path(tempfile.mkdtemp(prefix="coolrunner-"))
        self.order: Order | None = None
        if order is None:
            return
        root = self._path / Path(order.root).name
        root.mkdir()
        ticket = order.ticket._replace(where=root / order.ticket.relative)
        project = os.getcwd() if order.project else ""  # noqa: PTH109 - as a string
        self.order = replace(order, root=str(root), ticket=ticket, project=project)
        if earlier:
            _unpack(earlier, self.order)

    def pack(self) -> bytes:
        """Return all of it, and remove it here."""
        packed = b""
        if self.order is not None and self.order.ticket.where.is_dir():
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                tar.add(self.order.ticket.where, "run")
                store = Root(self.order.root).store
                if store.is_dir():
                    tar.add(store, "store")
            packed = buffer.getvalue()
        shutil.rmtree(self._path, ignore_errors=True)
        return packed


def pack_earlier(order: Order | None) -> bytes:
    """Return the directory of an attempt that is to be gone on with elsewhere; empty where none is."""
    if order is None or not order.again:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(order.ticket.where, "run")
    return buffer.getvalue()


def bring_home(packed: bytes, order: Order) -> str:
    """Put a run where it was ordered; return what a person should know, empty for nothing."""
    try:
        if not order.ticket.where.is_dir():
            begin(order)  # a root knows of its runs
        _unpack(packed, order)
    except (RunError, OSError, tarfile.TarError) as error:
        return f"its run directory could not be brought here: {error}"
    return ""


def _unpack(packed: bytes, order: Order) -> None:
    tops = {"run": order.ticket.where, "store": Root(order.root).store}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            top, *inside = PurePosixPath(member.name).parts
            if top not in tops or ".." in inside:  # not what was packed
                continue
            path = tops[top].joinpath(*inside)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.issym():
                _link(path, member.linkname)
            elif member.isfile() and not (top == "store" and path.exists()):
                path.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                with source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
                os.utime(path, (member.mtime, member.mtime))


def _link(path: Path, target: str) -> None:
    if os.path.isabs(target) or ".." in PurePosixPath(target).parts:  # noqa: PTH117
        return
    with contextlib.suppress(FileExistsError):
        path.symlink_to(target)
