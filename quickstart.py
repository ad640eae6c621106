#!/usr/bin/env python3
"""Set everything up, then run the main job or the tests.

    python3 quickstart.py               set up, then run experiments/digits.yaml
    python3 quickstart.py test [...]    set up, then run the tests; what follows goes to pytest
    python3 quickstart.py setup         set up for both, and stop there

All that is installed goes into .venv beside this file; nothing outside it is touched, and it needs no
activation. Only what is missing is done: the second time begins at once, and needs no network.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from typing import NoReturn

from coolrunner.cli.checkout import CHECKOUT, ENVIRONMENT, ENVIRONMENT_PYTHON, require_python

FOR_THE_JOB = ("examples",)
FOR_EVERYTHING = ("examples", "test")

PYTHON = str(ENVIRONMENT_PYTHON)
# Says for what the environment was completed, or that it is being worked on: who finds it UNFINISHED
# comes after an interrupt, and begins anew.
STAMP = ENVIRONMENT / "coolrunner-setup"
UNFINISHED = "unfinished"


def main(arguments: "list[str]") -> None:
    """Do what the command line says; ends with the exit status of what it ran."""
    require_python("quickstart.py")
    if not arguments:
        set_up(FOR_THE_JOB)
        say("Running: python run.py --exp experiments/digits.yaml")
        become("run.py", "--exp", "experiments/digits.yaml")
    elif arguments[0] == "test":
        set_up(FOR_EVERYTHING)
        become("-m", "pytest", *arguments[1:])
    elif arguments == ["setup"]:
        set_up(FOR_EVERYTHING)
        say("Ready: " + shlex.quote(PYTHON))
    elif arguments[0] in ("-h", "--help"):
        say(__doc__.strip())
    else:
        leave("cannot do: " + shlex.join(arguments) + "\n\n" + __doc__.strip())


def set_up(extras: "tuple[str, ...]") -> None:
    """Make the environment of this checkout, or complete it, unless it is complete already."""
    project = (CHECKOUT / "pyproject.toml").read_bytes()
    fingerprint = hashlib.sha256(project + bytes(CHECKOUT)).hexdigest()
    stamp = STAMP.read_text().split() if STAMP.is_file() else []
    usable = succeeds(PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 10))")
    if usable and stamp[:1] == [fingerprint] and set(extras) <= set(stamp[1:]):
        return
    if not usable or stamp == [UNFINISHED]:
        say(f"Making an environment in {ENVIRONMENT}")
        do(sys.executable, "-m", "venv", "--without-pip", "--clear", str(ENVIRONMENT))
    STAMP.write_text(UNFINISHED)
    install = installer()
    what = f"[{','.join(extras)}]"
    say(f"Installing coolrunner{what} into it; the first time this takes a minute or two")
    do(*install, "--editable", "." + what)
    STAMP.write_text(" ".join([fingerprint, *extras]))


def installer() -> "list[str]":
    """Return the beginning of a command that installs into the environment, with whatever is there."""
    pip = ["-m", "pip", "--disable-pip-version-check"]
    install = ["install", "--quiet", "--no-input"]
    own = [PYTHON, *pip]
    if succeeds(*own, "--version") or succeeds(PYTHON, "-m", "ensurepip", "--default-pip"):
        # The first 3.10 come with a pip that knows editable installs of setuptools' projects only.
        if not succeeds(*own, "install", "--help", saying="--config-settings"):
            do(*own, *install, "--upgrade", "pip")
        return own + install
    # Debian keeps ensurepip in a package of its own. The system's pip, which may have to refuse to
    # install into the system, can still do it for another environment.
    system = [sys.executable, *pip, "--python", PYTHON]
    if succeeds(*system, "--version"):
        return system + install
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", PYTHON]
    leave(
        f"{sys.executable} has no pip to install with; install its venv package (on Debian and Ubuntu: "
        "sudo apt install python3-venv) or uv, and try again"
    )


def succeeds(*command: str, saying: str = "") -> bool:
    """Run a command quietly; tell whether it ended well, and wrote `saying`."""
    try:
        done = run_quietly(command)
    except OSError:
        return False
    return done.returncode == 0 and saying in done.stdout


def do(*command: str) -> None:
    """Run a command quietly; if it fails, show what it wrote and leave."""
    done = run_quietly(command)
    if done.returncode:
        sys.stderr.write(done.stdout)
        leave("this failed, as shown above: " + shlex.join(command), status=1)


def run_quietly(command: "tuple[str, ...]") -> "subprocess.CompletedProcess[str]":
    """Run a command in the checkout, its output kept."""
    # Whatever pip is set to do elsewhere, here it installs into the environment.
    variables = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CHECKOUT, env=variables
    )


def become(*arguments: str) -> None:
    """Go on as the environment's Python, so that signals and the exit status are its own."""
    os.chdir(CHECKOUT)
    if os.name == "nt":  # where exec lets go of the terminal
        sys.exit(subprocess.call([PYTHON, *arguments]))
    os.execv(PYTHON, [PYTHON, *arguments])


def say(text: str) -> None:
    """Print progress, at once."""
    print(text, flush=True)


def leave(reason: str, status: int = 2) -> NoReturn:
    """End with a word about why."""
    sys.stderr.write(f"quickstart.py: {reason}\n")
    sys.exit(status)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
