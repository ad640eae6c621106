"""A study from Python: `study` runs a definition as `run.py` does, and gives its results as they come.

::

    for result in coolrunner.study("study.yaml", jobs=2):
        print(result.Name, result.ACC)

    frame = coolrunner.study([{"lr": 0.1}, {"lr": 0.01}], defaults={"Module": train}).frame()
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from coolrunner.definition.plan import Plan, read_plan
from coolrunner.errors import UsageError
from coolrunner.events import Announcer, Event, ExperimentFailed, ExperimentFinished, StudyFinished
from coolrunner.experiment import Experiment, freeze
from coolrunner.frontends.calling.definition import Given, lives_here, override, source_of
from coolrunner.yamlio import flow_text

if TYPE_CHECKING:
    import pandas

    from coolrunner.events import Listener
    from coolrunner.studies.opening import Draws

__all__ = ["Study", "study"]

_KEEP: Any = object()


def study(
    definition: Given,
    *,
    defaults: Mapping[str, Any] | None = None,
    name: str = "study",
    overrides: Mapping[str, Any] | Iterable[str] = (),
    pick: str | Sequence[int] = (),
    jobs: int | str | None = None,
    executor: str | None = None,
    root: str | os.PathLike[str] | None = _KEEP,
    log: str | os.PathLike[str] | None = None,
    resume: bool = False,
    fail_fast: bool = False,
    display: bool | None = None,
) -> Study:
    """Return a study, which begins when its results are first asked for.

    Parameters
    ----------
    definition
        The path of a definition; or experiments as mappings, one or a list of them. In these ``Module`` may
        be a function, which is given the experiment.
    defaults
        The default config of such experiments, with ``Global`` if need be.
    name
        The name of a study that has no file: ``STUDY`` in its log.
    overrides
        Changes to the default config: ``{"optimizer.lr": 0.1}``, or texts as on the command line,
        ``["+lr=0.1", "++epochs=1"]``.
    pick
        The experiments to run, as ``--pick``: ``"0,2-5"``, or their numbers.
    jobs
        How many run at once; ``auto`` for as many as fit.
    executor
        In place of ``Global.executor``. A function that no file holds, as one of a notebook, runs in this
        process (``inline``) or in copies of it (``local``).
    root
        Where run directories are made; None makes none.
    log
        The YamlLog of all experiments.
    resume
        Run only what has no result yet.
    fail_fast
        End the study with the first failure.
    display
        Whether to show how it goes on; None for in a notebook and on a terminal.

    Raises
    ------
    DefinitionError
        The definition is wrong; the message has every mistake, with its place.
    UsageError
        The call is.
    """
    source = source_of(definition, defaults, name)
    changes = override(overrides)
    if executor is not None:
        changes.append(f"+Global.executor={executor}")
    if root is not _KEEP:
        changes.append(f"+Global.root={flow_text(None if root is None else os.fspath(root))}")
    if log is not None:
        changes.append(f"++YamlLog={flow_text(os.fspath(log))}")
    picked = [pick] if isinstance(pick, str) and pick else [str(number) for number in pick]
    directory = os.getcwd()  # noqa: PTH109 - as a string, for sys.path
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)  # where `run.py` looks for Modules first

    def read(draws: Draws | None = None) -> Plan:
        return read_plan(source, changes, pick=picked, draws=draws)

    return Study(read, jobs, directory, resume=resume, fail_fast=fail_fast, display=display)


class Study:
    """A study and its results; made by `study`.

    To iterate over it runs it, and gives each result when it is there: an experiment, read as in a Module,
    whose `run` is its run directory. While the loop's body does its work, experiments that run go on and no
    other is started; a loop that is left ends the study.

    Attributes
    ----------
    plan
        What is going to run.
    results
        The experiments that have finished, in the order in which they did.
    failures
        Those that failed, with ``FAILURE``, ``ERROR`` and ``TRACEBACK``.
    finished
        How it ended, and how many experiments in which way; None before that.
    """

    def __init__(
        self,
        read: Callable[..., Plan],
        jobs: int | str | None,
        directory: str,
        *,
        resume: bool,
        fail_fast: bool,
        display: bool | None,
    ) -> None:
        self._read = read
        self._jobs = jobs
        self._directory = directory
        self._resume = resume
        self._fail_fast = fail_fast
        self._display = display
        self._steps: Generator[None, None, None] | None = None
        self._shown: Listener | None = None
        self._pauses = False
        self._given = 0
        self._records: list[tuple[str, Mapping[str, Any]]] = []
        self.plan: Plan = read()
        self.results: list[Experiment] = []
        self.failures: list[Experiment] = []
        self.finished: StudyFinished | None = None
        self._here = lives_here(self.plan)
        if self._here and self.plan.settings.executor not in ("local", "inline"):
            raise UsageError(
                f"the function {self._here} is known to this process alone, and cannot be run by "
                f"{self.plan.settings.executor}; put it in a file of its own and import it"
            )

    def __iter__(self) -> Iterator[Experiment]:
        """Run the study, and yield each result when it is there.

        Raises
        ------
        KeyboardInterrupt
            It was ended by Ctrl-C.
        """
        place = 0
        while True:
            while place < len(self.results):
                place += 1
                with self._aside():
                    yield self.results[place - 1]
            if not self._advance(pauses=True) and place == len(self.results):
                return

    def run(self) -> list[Experiment]:
        """Run the study to its end, if it has not ended yet, and return the results.

        Raises
        ------
        KeyboardInterrupt
            It was ended by Ctrl-C; `results` has those that were there by then.
        """
        while self._advance(pauses=False):
            pass
        return self.results

    def frame(self) -> pandas.DataFrame:
        """Run the study to its end, and return the results as a table, as `coolrunner.load` gives it.

        Raises
        ------
        UsageError
            pandas is not installed.
        """
        import tempfile

        from coolrunner.results.frames.load import load
        from coolrunner.results.frames.parts import pandas_module
        from coolrunner.results.logs.yamllog import HEADER, record_text

        pandas_module()  # a missing one is said before hours of work
        self.run()
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "log.yaml")
            texts = [record_text(identity, record) for identity, record in self._records]
            path.write_text(HEADER + "".join(texts), encoding="utf-8")
            return cast("pandas.DataFrame", load(path, cache="never"))

    def close(self) -> None:
        """End the study if it runs; what runs is interrupted."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def __len__(self) -> int:
        """Return how many experiments the definition runs."""
        return sum(planned.runs for planned in self.plan.chosen)

    def __repr__(self) -> str:
        done, failed = len(self.results), len(self.failures)
        return (
            f"<study {self.plan.study}: {done} of {len(self)} done{f', {failed} failed' if failed else ''}>"
        )

    # --- how it goes on ---

    def _advance(self, *, pauses: bool) -> bool:
        """Go on to the next pause, or to the end; return whether there was a pause."""
        if self.finished is not None:
            return False
        self._pauses = pauses
        steps, self._steps = self._steps or self._run(), None
        for _ in steps:
            self._steps = steps
            return True
        return False

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """Let the caller have the terminal; a caller that does not come back ends the study."""
        shown = self._shown if isinstance(self._shown, _Aside) else None
        if shown is not None:
            shown.hide()
        try:
            yield
        except GeneratorExit:
            self.close()
            raise
        if shown is not None:
            shown.show()

    def _run(self) -> Generator[None, None, None]:
        from coolrunner.frontends.calling.machine import backend_of, check_fit, listener_for, reporters
        from coolrunner.frontends.calling.opening import open_study
        from coolrunner.runner import RunOptions
        from coolrunner.runner import Study as Runner

        settings = self.plan.settings
        announcer = Announcer()
        check_fit(self.plan)
        opened = open_study(self.plan, self._read, resume=self._resume)
        try:
            self._shown, capture = listener_for(display=self._display, inline=settings.executor == "inline")
            backend = backend_of(self.plan, self._jobs, self._directory, here=self._here, capture=capture)
        except BaseException:
            opened.queue.close()
            raise
        try:
            announcer.add(self._shown)
            for listener in reporters(opened, announcer):
                announcer.add(listener)
            announcer.add(_Collector(self))
            limit = 1 if self._fail_fast or settings.fail_fast else settings.max_failures
            options = RunOptions(sys.argv[:1], limit, project=self._directory, resumes=self._resume)
            runner = Runner(
                opened.brief, opened.queue, backend, announcer, options, opened.items, opened.searches
            )
            atexit.register(self.close)  # of an iterator that nobody has closed by then
            try:
                yield from runner.steps(self._is_due)
            finally:
                atexit.unregister(self.close)
                self.finished = runner.finished
        finally:
            backend.close()
            opened.queue.close()
            announcer.close()
        if self.finished is not None and self.finished.status == 130:
            raise KeyboardInterrupt

    def _is_due(self) -> bool:
        if self._pauses and len(self.results) > self._given:
            self._given = len(self.results)
            return True
        return False


@runtime_checkable
class _Aside(Protocol):
    """A display that others would write into."""

    def hide(self) -> None: ...

    def show(self) -> None: ...


class _Collector:
    """Listens for what becomes of the experiments."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def start(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is held."""

    def handle(self, event: Event) -> None:
        """Take what has ended."""
        if isinstance(event, ExperimentFinished):
            self._study._records.append((event.id, event.record))
            self._study.results.append(_experiment(event.record, event.results))
        elif isinstance(event, ExperimentFailed):
            told = ("FAILURE", "ERROR", "TRACEBACK")
            self._study.failures.append(_experiment(event.record, told))


def _experiment(record: Mapping[str, Any], results: Sequence[str]) -> Experiment:
    from coolrunner.runs.session import NoRun, Run

    inputs = {key: freeze(value) for key, value in record.items() if key not in results}
    found = {key: record[key] for key in results if key in record}
    where = record.get("RUN")
    path = Path(where).resolve() if where else None
    return Experiment(inputs, found, run=lambda: NoRun() if path is None else Run.join(path))
