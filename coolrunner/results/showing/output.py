"""Where collected and filtered experiments go: a new file of its own, or a stream.

A file is written under a temporary name in its directory and gets its own, ``logs_<time>.yaml``, when
it is complete. The name is claimed by exclusive creation, so two programs that finish in one second
never overwrite each other: the second one's file is ``logs_<time>-2.yaml``.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import BinaryIO

from coolrunner.errors import LogError, UsageError

__all__ = ["NewFile", "Stream"]


class Stream:
    """Writes to a stream that is already open, such as the standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write some text."""
        self._stream.write(text.encode("utf-8"))

    def finish(self) -> str:
        """Flush; return the name of the file, which is none."""
        self._stream.flush()
        return ""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class NewFile:
    """Writes a new file, which is there as a whole or not at all; without any text there is none.

    Parameters
    ----------
    folder
        The directory; made when it is needed.
    ending
        The file's ending, ``.yaml``.

    Raises
    ------
    UsageError
        `folder` is a file, or is named like one.
    """

    def __init__(self, folder: str, ending: str) -> None:
        self._folder = Path(folder)
        self._ending = ending
        self._stem = time.strftime("logs_%Y-%m-%d_%H-%M-%S")
        # The leading dot keeps it out of collections that run at the same time.
        self._draft = self._folder / f".{self._stem}-{secrets.token_hex(4)}.part"
        self._file: BinaryIO | None = None
        if self._folder.is_dir():
            return
        if self._folder.exists():
            raise UsageError(f"--dest {folder}: this is a file; the name of a directory was expected")
        if self._folder.suffix.lower() in (".yaml", ".yml", ".json", ".csv"):
            raise UsageError(
                f"--dest {folder}: --dest names a directory, in which a new file is made "
                f"(for a file of this name: --dest - > {folder})"
            )

    def write(self, text: str) -> None:
        """Write some text.

        Raises
        ------
        LogError
            The disk is full, or the directory cannot be made or written to.
        """
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = self._draft.open("xb", buffering=1 << 20)
            self._file.write(text.encode("utf-8"))
        except OSError as error:
            raise self._refused(error) from None

    def finish(self) -> str:
        """Give the file its name; return its path, or an empty string where nothing was written."""
        if self._file is None:
            return ""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            path = self._claim()
            self._draft.replace(path)
        except OSError as error:
            raise self._refused(error) from None
        self._file = None
        return str(path)

    def _claim(self) -> Path:
        number = 1
        while True:
            suffix = f"-{number}" if number > 1 else ""
            path = self._folder / f"{self._stem}{suffix}{self._ending}"
            try:
                path.open("xb").close()
            except FileExistsError:
                number += 1
            else:
                return path

    def _refused(self, error: OSError) -> LogError:
        return LogError(f"--dest {self._folder}: cannot be written: {error.strerror}")

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:  # broke off, or was never finished
            self._file.close()
            self._draft.unlink(missing_ok=True)
