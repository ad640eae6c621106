"""The commands: one file each, which reads arguments and puts the parts together.

`main` is the console command ``coolrunner``; `entry` has its insides, and `checkout` what a script needs
before they can be imported.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


# Read by whatever Python starts a script of a checkout, to say whether it is new enough.
def main(argv: "Sequence[str] | None" = None, *, script: "str | None" = None) -> int:
    """Run a command and return its exit status; see `coolrunner.cli.entry.main`."""
    from coolrunner.cli.entry import main

    return main(argv, script=script)
