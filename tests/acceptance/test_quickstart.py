"""`quickstart.py` against a toy checkout, which needs no package index: its build backend is its own."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checkouts import ROOT, clean_environment, run

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "toy"
version = "1"
[project.optional-dependencies]
examples = []
test = []
"""
# Notes each build; where there is a file `obstacle.py`, it meets that first.
BACKEND = """\
import os, zipfile
FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: toy\\nVersion: 1\\n"
                "Provides-Extra: examples\\nProvides-Extra: test\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}
def build_editable(directory, config_settings=None, metadata_directory=None):
    with open("builds", "a") as builds:
        builds.write("one more\\n")
    if os.path.exists("obstacle.py"):
        exec(open("obstacle.py").read())
    name = "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for file, text in FILES.items():
            wheel.writestr("toy-1.dist-info/" + file, text)
    return name
"""
#: What `quickstart.py` consists of; all of it, since another coolrunner may be installed.
NEEDED = [
    "quickstart.py",
    *(f"coolrunner/{name}.py" for name in ("__init__", "cli/__init__", "cli/checkout")),
]
SAYS_HOW_IT_WAS_CALLED = "import os, sys; print(sys.argv[1:], os.getcwd(), sys.prefix); sys.exit(7)\n"

pytestmark = pytest.mark.slow


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout in a directory with a space in its name, with a job and a pytest of its own."""
    checkout = tmp_path / "a checkout"
    (checkout / "coolrunner" / "cli").mkdir(parents=True)
    for name in NEEDED:
        shutil.copy2(ROOT / name, checkout / name)
    (checkout / "pyproject.toml").write_text(PYPROJECT)
    (checkout / "backend.py").write_text(BACKEND)
    for name in ("run.py", "pytest.py"):
        (checkout / name).write_text(SAYS_HOW_IT_WAS_CALLED)
    return checkout


def quickstart(toy: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call it from elsewhere."""
    command = [sys.executable, str(toy / "quickstart.py"), *arguments]
    return run(command, cwd=toy.parent, **variables)


def builds(toy: Path) -> int:
    """Return how often the project was installed."""
    return len((toy / "builds").read_text().splitlines()) if (toy / "builds").exists() else 0


def test_it_sets_up_once_and_then_runs_the_job_at_once(toy: Path) -> None:
    first = quickstart(toy)
    assert first.returncode == 7, first.stderr
    job = f"{['--exp', 'experiments/digits.yaml']} {toy} {toy / '.venv'}"
    assert first.stdout.splitlines() == [
        f"Making an environment in {toy / '.venv'}",
        "Installing coolrunner[examples] into it; the first time this takes a minute or two",
        "Running: python run.py --exp experiments/digits.yaml",
        job,
    ]
    second = quickstart(toy)
    assert second.returncode == 7
    assert second.stdout.splitlines() == ["Running: python run.py --exp experiments/digits.yaml", job]
    assert builds(toy) == 1


def test_the_tests_need_more_than_the_job_and_the_job_nothing_more(toy: Path) -> None:
    assert quickstart(toy).returncode == 7
    tests = quickstart(toy, "test", "-k", "a b")
    assert tests.returncode == 7
    assert tests.stdout.splitlines()[-1] == f"{['-k', 'a b']} {toy} {toy / '.venv'}"
    assert builds(toy) == 2
    assert quickstart(toy).returncode == 7
    assert quickstart(toy, "setup").returncode == 0
    assert builds(toy) == 2


def test_a_change_of_the_requirements_installs_again(toy: Path) -> None:
    assert quickstart(toy, "setup").returncode == 0
    (toy / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    assert quickstart(toy, "setup").returncode == 0
    assert builds(toy) == 2


def test_what_an_interrupt_left_behind_is_made_anew(toy: Path) -> None:
    (toy / "obstacle.py").write_text("import time; time.sleep(600)")
    command = [sys.executable, str(toy / "quickstart.py")]
    started = subprocess.Popen(
        command,
        env=clean_environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not builds(toy):
        assert started.poll() is None
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGINT)
    assert started.wait(60) == 130

    (toy / "obstacle.py").unlink()
    again = quickstart(toy, "setup")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("Making an environment in")


def test_an_environment_whose_python_is_gone_is_made_anew(toy: Path) -> None:
    assert quickstart(toy, "setup").returncode == 0
    python = toy / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(toy / "gone")
    assert quickstart(toy, "setup").returncode == 0
    assert run([str(python), "-c", ""], cwd=toy).returncode == 0


def test_a_persons_own_environment_is_completed_and_not_made_anew(toy: Path) -> None:
    run([sys.executable, "-m", "venv", str(toy / ".venv")], cwd=toy)
    (toy / ".venv" / "mine").touch()
    assert quickstart(toy, "setup").returncode == 0
    assert (toy / ".venv" / "mine").exists()
    assert builds(toy) == 1


def test_what_pip_says_is_shown_when_it_fails(toy: Path) -> None:
    (toy / "obstacle.py").write_text("raise RuntimeError('the disk is made of cheese')")
    failed = quickstart(toy)
    assert failed.returncode == 1
    assert "the disk is made of cheese" in failed.stderr
    assert "Running" not in failed.stdout


def shim(directory: Path, *modules: str) -> str:
    """Return a path for PYTHONPATH on which these modules fail, as if they were not installed."""
    for module in modules:
        (directory / module).mkdir(parents=True)
        (directory / module / "__init__.py").touch()
        (directory / module / "__main__.py").write_text("raise SystemExit(1)")
    return str(directory)


def test_without_ensurepip_the_systems_pip_installs(toy: Path) -> None:
    if run([sys.executable, "-m", "pip", "--python", sys.executable, "--version"], cwd=toy).returncode:
        pytest.skip("this Python has no pip that knows --python")
    done = quickstart(toy, "setup", PYTHONPATH=shim(toy.parent / "shim", "ensurepip"))
    assert done.returncode == 0, done.stderr
    assert not list((toy / ".venv").rglob("pip")), "pip is not in the environment itself"
    assert list((toy / ".venv").rglob("toy-1.dist-info"))


def test_without_any_installer_one_line_says_what_to_install(toy: Path) -> None:
    helpless = quickstart(toy, PYTHONPATH=shim(toy.parent / "shim", "ensurepip", "pip"), PATH="/usr/bin:/bin")
    if shutil.which("uv", path="/usr/bin:/bin"):
        pytest.skip("there is a uv in the system")
    assert helpless.returncode == 2
    assert len(helpless.stderr.splitlines()) == 1
    assert "python3-venv" in helpless.stderr


def test_pip_is_made_to_install_into_the_environment_whatever_it_is_set_to(toy: Path) -> None:
    done = quickstart(toy, "setup", PIP_USER="1")
    assert done.returncode == 0, done.stderr
    assert list((toy / ".venv").rglob("toy-1.dist-info"))


def test_what_it_cannot_do_is_a_usage_error(toy: Path) -> None:
    wrong = quickstart(toy, "tset")
    assert wrong.returncode == 2
    assert "tset" in wrong.stderr and "python3 quickstart.py test" in wrong.stderr
    assert not (toy / ".venv").exists()
    assert quickstart(toy, "--help").returncode == 0


@pytest.mark.parametrize("name", [*NEEDED, "run.py", "collect.py", "filter.py"])
def test_what_starts_first_can_be_read_by_old_pythons(name: str) -> None:
    assert ast.parse((ROOT / name).read_text(), feature_version=(3, 6)).body


def test_an_old_python_is_told_so_in_one_line() -> None:
    pretend = (
        "import sys; sys.version_info = (3, 8, 1); from coolrunner.cli.checkout import require_python;"
        "require_python('run.py')"
    )
    done = run([sys.executable, "-c", pretend], cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith("run.py: Python 3.10 or later is needed, and this is 3.8")
    assert len(done.stderr.splitlines()) == 1
