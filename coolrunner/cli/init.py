"""``coolrunner init``: a small working study to begin from."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from coolrunner.errors import UsageError

__all__ = ["HELP", "configure", "execute"]

HELP = "write a small working study to begin from"

_TEMPLATE = Path(__file__).parent / "template"
_NEXT = """\
coolrunner run --exp study.yaml
coolrunner results --top 5 --by ACCURACY
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where to write it; made if it is not there (default: the current directory)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Write the study into ``arguments.directory`` and say what to type next.

    Returns
    -------
    The exit status: 0.

    Raises
    ------
    UsageError
        The directory is a file, or a file of the study is there already or cannot be written; nothing is
        overwritten.
    """
    directory: Path = arguments.directory
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file; init takes the name of a directory")
    files = {source.name: source.read_text("utf-8") for source in _template_files()}
    there = [name for name in files if (directory / name).exists()]
    if there:
        raise UsageError(f"{directory} holds {' and '.join(there)} already; choose another directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (directory / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    enter = "" if directory == Path() else f"cd {shlex.quote(str(directory))}\n"
    sys.stdout.write(f"Wrote {', '.join(files)}. Next:\n\n{enter}{_NEXT}")
    return 0


def _template_files() -> list[Path]:
    # A compiled copy of the Module may lie beside it, where somebody imported it.
    return sorted(path for path in _TEMPLATE.iterdir() if path.is_file())
