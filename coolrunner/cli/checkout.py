"""What the scripts of a checkout need before Coolrunner itself can be imported.

`run.py`, `collect.py`, `filter.py` and `quickstart.py` begin here, with whatever Python they were
started with: this file has to parse on old ones, and imports nothing beyond the standard library.
"""

import os
import sys
from pathlib import Path

__all__ = ["CHECKOUT", "ENVIRONMENT", "ENVIRONMENT_PYTHON", "enter", "require_python"]

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = CHECKOUT / ".venv"
ENVIRONMENT_PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

_NEEDED = {"yaml": "PyYAML", "rich": "rich", "slack_sdk": "slack_sdk"}
_HANDED_OVER = "COOLRUNNER_HANDED_OVER"


def require_python(program: str) -> None:
    """Leave with one line and status 2 where the Python is too old, naming a newer one if there is one."""
    if sys.version_info >= (3, 10):
        return
    newer = _newer_python()
    hint = f"; there is {newer}" if newer else ""
    found = "{}.{}".format(*sys.version_info)
    sys.stderr.write(f"{program}: Python 3.10 or later is needed, and this is {found}{hint}\n")
    sys.exit(2)


def _newer_python() -> str:
    import shutil
    import subprocess

    for minor in range(20, 9, -1):
        python = shutil.which(f"python3.{minor}")
        # What stands on the path may be a stub that only says how to get that Python.
        if python and not subprocess.call(
            [python, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ):
            return python
    return ""


def enter(command: str) -> int:
    """Do what ``coolrunner COMMAND`` does, from a checkout that need not be installed.

    Where PyYAML, rich or slack_sdk are missing, the checkout's own environment takes over if it is
    there; else one line says how to make it.

    Parameters
    ----------
    command
        ``run``, ``collect`` or ``filter``; its arguments are those of the script.

    Returns
    -------
    The exit status.
    """
    script = command + ".py"
    require_python(script)
    # Taken out of the environment at once: what a Module starts has its own way to make.
    handed_over = os.environ.pop(_HANDED_OVER, None)
    missing = _missing_packages()
    if missing and not handed_over:
        _hand_over()
    if missing:
        sys.stderr.write(f"{script}: {_how_to_mend(missing)}\n")
        return 2
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))

    from coolrunner.cli import main

    return main([command, *sys.argv[1:]], script=script)


def _missing_packages() -> "list[str]":
    from importlib.util import find_spec

    return [name for module, name in _NEEDED.items() if find_spec(module) is None]


def _hand_over() -> None:
    """Start again with the checkout's own Python; return only where there is none that starts."""
    if not ENVIRONMENT_PYTHON.exists():
        return
    command = [str(ENVIRONMENT_PYTHON), *sys.orig_argv[1:]]
    environment = {**os.environ, _HANDED_OVER: "1"}
    if os.name == "nt":  # where exec lets go of the terminal
        import subprocess

        sys.exit(subprocess.call(command, env=environment))
    try:
        os.execve(command[0], command, environment)
    except OSError as error:
        sys.stderr.write(f"{ENVIRONMENT_PYTHON} does not start: {error}\n")


def _how_to_mend(missing: "list[str]") -> str:
    import shlex

    lacking = " and ".join(missing) + (" are" if len(missing) > 1 else " is")
    setup = shlex.quote(str(CHECKOUT / "quickstart.py")) + " setup"
    return f"{lacking} missing; make this checkout's own environment with: python3 {setup}"
