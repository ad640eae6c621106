#!/usr/bin/env python3
"""Make docs/digits.svg: the screen of a real terminal at the end of the main job.

Run it with the environment of the checkout, where tmux is installed::

    .venv/bin/python docs/picture.py
"""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

CHECKOUT = Path(__file__).resolve().parents[1]
COMMAND = "python run.py --exp experiments/digits.yaml"
SESSION = "coolrunner-picture"
COLUMNS, LINES = 120, 24


def tmux(*arguments: str) -> str:
    """Call tmux on a server of its own."""
    command = ["tmux", "-L", SESSION, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def screen() -> str:
    """Return the terminal's screen when the study is over, with its colours as escape sequences."""
    study = f"{shlex.quote(sys.executable)} {COMMAND.partition(' ')[2]}; exec sleep 600"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), "-c", str(CHECKOUT), study)
    try:
        while "Next:" not in tmux("capture-pane", "-p"):
            time.sleep(0.5)
        time.sleep(0.5)
        return tmux("capture-pane", "-p", "-e").rstrip()
    finally:
        tmux("kill-server")


def main() -> None:
    """Write the picture."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(screen()))
    # The fonts that rich names would be fetched from the web by whoever looks at the picture.
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title=f"$ {COMMAND}", code_format=form.replace("Fira Code, ", ""))
    (CHECKOUT / "docs" / "digits.svg").write_text(svg)


if __name__ == "__main__":
    main()
