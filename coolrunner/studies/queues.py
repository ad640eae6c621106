"""How a study gets a queue that is a file: a new one, one from before, one that others work on."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.definition.adding import Adding
from coolrunner.definition.expressions import History
from coolrunner.definition.plan import Plan, Planned, new_id
from coolrunner.definition.settings import Settings
from coolrunner.errors import QueueError, UsageError
from coolrunner.experiment import Experiment, freeze
from coolrunner.queue.base import Status
from coolrunner.queue.claims import live_runners
from coolrunner.queue.entries import Entry
from coolrunner.queue.file import FileQueue, journal_of, read_ledger
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.memory import MemoryQueue
from coolrunner.queue.text import FIRST_LINE
from coolrunner.results.logs.failures import move_failures, read_failures
from coolrunner.studies.brief import Brief, study_record
from coolrunner.studies.opening import Draws, Opened, ids_left_out, ids_to_run, logged, rename_needs
from coolrunner.studies.resuming import Known, Match, match
from coolrunner.studies.scribe import StudyScribe
from coolrunner.studies.searching.plans import SearchPlan, recorded_searches, storage_beside
from coolrunner.yamlio import read_text

__all__ = [
    "attach",
    "begin_anew",
    "is_queue",
    "keep_rest",
    "left_in",
    "open_failures",
    "open_file",
    "resume_file",
]


_STOPPED = (Status.FAILED, Status.INTERRUPTED)


def is_queue(path: Path) -> bool:
    """Whether there is a queue at a path: its file, or its journal."""
    if (journal_of(path) / "journal.jsonl").exists():
        return True
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(FIRST_LINE)
    except (FileNotFoundError, IsADirectoryError):
        return False
    except OSError as error:
        raise QueueError(f"the queue {path} cannot be read: {error.strerror}") from None


def left_in(path: Path) -> dict[str, int] | None:
    """Return how many experiments of each standing a queue from before holds; None where nothing is left.

    Raises
    ------
    UsageError
        Something else than a queue has that name.
    """
    if not is_queue(path):
        if path.exists():
            raise UsageError(f"{path} is there already and is no queue; choose another name for the queue")
        return None
    if not (journal_of(path) / "journal.jsonl").exists():
        return {"waiting": path.read_text(encoding="utf-8", errors="replace").count("\nID:") or 1}
    ledger = read_ledger(path)
    counts = Counter(ledger.standing(entry) for entry in ledger.entries.values())
    finished = {Status.SKIPPED, Status.DONE, Status.REMOVED}
    return dict(counts) if any(ledger.counts[status] for status in set(Status) - finished) else None


def open_file(
    plan: Plan,
    path: Path,
    *,
    code: bool = True,
    append: bool = False,
    searches: Sequence[SearchPlan] = (),
) -> Opened:
    """Return a queue that is a file, new or with the plan's experiments at its end."""
    scribe = StudyScribe(plan, code=code)
    queue = FileQueue(path, scribe, create=True)
    with queue.session():
        if queue.ledger.entries and not append:
            queue.close()
            raise QueueError(f"another runner has begun the queue {path} a moment ago; --append adds to it")
        queue.write(study_record(plan, searches))
    if append:
        _shift(plan.experiments, queue.ledger, {})
    scribe.left_out = ids_left_out(plan)
    return Opened(Brief.of_plan(plan), queue, plan.experiments)


def resume_file(
    read: Callable[[Draws | None], Plan],
    path: Path,
    *,
    code: bool = True,
    searches: Sequence[SearchPlan] = (),
) -> Opened:
    """Return a queue file with what is missing of a definition; what is in it stays as it is."""
    scribe = StudyScribe(code=code)
    queue = FileQueue(path, scribe, create=True)
    # In one session, so that of two that resume at once only one puts what is missing.
    with queue.session():
        return _resume(read, queue, scribe, searches)


def _resume(
    read: Callable[[Draws | None], Plan],
    queue: FileQueue[Planned],
    scribe: StudyScribe,
    searches: Sequence[SearchPlan],
) -> Opened:
    queue.refresh()  # what a person did meanwhile counts, too
    ledger = queue.ledger
    known = [
        Known(entry.id, _values(entry.first_text))
        for entry in ledger.entries.values()
        if entry.status is not Status.SKIPPED
    ]
    if not ledger.study:  # its journal is lost, or it is new: the logs know what has been done
        known += [one for one in logged(read(None)) if one.id not in ledger.entries]
    found = match(read, known)
    opened = Opened(Brief.of_plan(found.plan), queue)
    chosen = ids_to_run(found.plan)
    missing = [p for p in found.plan.experiments if p.id in chosen and p.id not in found.known]
    again: list[str] = []
    done: list[Planned] = []
    for planned in found.plan.experiments:
        one = found.known.get(planned.id)
        if one is None or planned.id not in chosen:
            continue
        entry = ledger.entries.get(one.id)
        if entry is None:
            done.append(planned)
            opened.skipped.append((planned, one.id, f"done, in {planned.experiment.inputs['YamlLog']}"))
        elif entry.status in _STOPPED:
            again.append(one.id)
        else:
            opened.skipped.append((planned, one.id, _how_it_stands(entry, ledger)))
    if searches:  # trials stand in no list
        listed = {one.id for one in found.known.values()}
        again += [
            one.id for one in ledger.entries.values() if one.status in _STOPPED and one.id not in listed
        ]
    queue.write(study_record(found.plan, searches))
    _take_note_of_logs(queue)
    again = [identity for identity in again if ledger.entries[identity].status is not Status.DONE]
    if again:
        queue.again(again)
    if missing or done:
        items = _with_missing(found, queue)
        wanted = {planned.id for planned in (*missing, *done)}
        scribe.plan, scribe.left_out = found.plan, {planned.id for planned in items} - wanted
        queue.put(items)
        if done:
            queue.write(*({"t": "end", "id": p.id, "status": Status.DONE.value} for p in done))
    return opened


def _with_missing(found: Match, queue: FileQueue[Planned]) -> list[Planned]:
    """Make the plan's list known behind those of before; return what of it is to be put."""
    plan, entries = found.plan, queue.ledger.entries
    ids = {mine: one.id for mine, one in found.known.items()}
    _shift(plan.experiments, queue.ledger, ids)
    there = [[p.index, ids[p.id]] for p in plan.experiments if ids.get(p.id) in entries]
    if there:
        queue.write({"t": "list", "rows": there})
    rest = [planned for planned in plan.experiments if ids.get(planned.id) not in entries]
    for planned in rest:
        planned.id = ids.get(planned.id, planned.id)  # one that only its log knows
    return rest


def attach(path: Path, *, again: bool = False, code: bool = True) -> Opened:
    """Return a queue that others have filled, and perhaps work on.

    Parameters
    ----------
    again
        Whether what failed or was interrupted is tried again.

    Raises
    ------
    UsageError
        There is no queue.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a directory; the file of a queue was expected")
    if not is_queue(path):
        if path.exists():
            raise UsageError(f"{path} is no queue; a definition is run with --exp {path}")
        raise UsageError(f"the queue {path} does not exist; --exp FILE --queue-file {path} makes one")
    new = not (journal_of(path) / "journal.jsonl").exists()
    queue = FileQueue(path, StudyScribe(code=code), create=new)
    with queue.session():
        if new:
            queue.write({"t": "study", "name": path.name})
            queue.refresh()
        _take_note_of_logs(queue)
        if again:
            queue.again([entry.id for entry in queue.ledger.entries.values() if entry.status in _STOPPED])
    study = queue.ledger.study
    searches, warnings = recorded_searches(study, path, code=code)
    return Opened(
        Brief(
            str(study.get("name", path.name)),
            settings_of(study),
            "",
            int(study.get("skipped", 0)),
            frozenset(study.get("used", ())),
            bool(study.get("past", False)),
            warnings,
        ),
        queue,
        searches=searches,
    )


def _take_note_of_logs(queue: FileQueue[Planned]) -> None:
    """Let what stands in its log be done, though another queue has run it."""
    left = (Status.WAITING, Status.FAILED, Status.INTERRUPTED)
    for entry in list(queue.ledger.entries.values()):
        if entry.status in left and queue.is_logged(entry):
            queue.write({"t": "end", "id": entry.id, "status": Status.DONE.value})


def open_failures(path: Path, *, code: bool = True) -> tuple[Opened, Path]:
    """Return a queue of its own for what stands in a log of failures, and the name that the log has now.

    Raises
    ------
    UserError
        It is no log of failures, or cannot be moved.
    """
    moved = move_failures(path)
    failures = read_failures(moved)
    place = _free(path.with_name(f"{path.name.removesuffix('.yaml')}.queue.yaml"))
    queue: FileQueue[Planned] = FileQueue(place, StudyScribe(code=code), create=True)
    items: list[Planned] = []
    for index, failure in enumerate(failures):
        identity = failure.id or new_id()
        experiment = Experiment({key: freeze(value) for key, value in failure.inputs.items()})
        items.append(Planned(index, identity, 0, History(), index, experiment, runs=True))
    with queue.session():
        queue.write({"t": "study", "name": path.name})
        queue.put(items)
    return Opened(Brief(path.name), queue), moved


def settings_of(study: Mapping[str, Any]) -> Settings:
    """Return the settings of a study as its queue's journal has them."""
    if not study.get("defaults"):
        return Settings()
    return Adding(str(study.get("path", "")), study["defaults"], study.get("overrides", ())).settings


def begin_anew(path: Path, *, backup: str) -> list[Path]:
    """Move a queue of before out of the way; return where it is now.

    Parameters
    ----------
    backup
        What is put behind its name.

    Raises
    ------
    QueueError
        A runner works on it, or it cannot be moved.
    """
    journal = journal_of(path)
    if (journal / "journal.jsonl").exists():
        alive = live_runners(read_ledger(path))
        if alive:
            pids = ", ".join(str(runner.process["pid"]) for runner in alive)
            raise QueueError(f"a runner works on {path} (process {pids}); end it first, or add with --append")
    target = path.with_name(path.name + backup)
    moved = []
    try:
        _remove(target)
        for old, new in (
            (path, target),
            (journal, journal_of(target)),
            (storage_beside(path), storage_beside(target)),
        ):
            if old.exists():
                old.rename(new)
                moved.append(new)
    except OSError as error:
        raise QueueError(f"the queue {path} cannot be moved to {target}: {error.strerror}") from None
    return moved


def _remove(path: Path) -> None:
    """Remove an older backup of the same name."""
    path.unlink(missing_ok=True)
    storage_beside(path).unlink(missing_ok=True)
    if journal_of(path).is_dir():
        shutil.rmtree(journal_of(path))


def keep_rest(
    plan: Plan, queue: MemoryQueue[Planned], path: Path, searches: Sequence[SearchPlan] = ()
) -> FileQueue[Planned]:
    """Make a queue file of a queue in memory: what waits, and what has been, for those that need it.

    What runs now is this process's, as before. The queue is to be closed, or gone on with.

    Raises
    ------
    QueueError
        It cannot be written.
    """
    entries = queue.ledger.entries
    scribe = StudyScribe(plan)
    scribe.left_out = {entry.id for entry in entries.values() if entry.status is Status.SKIPPED}
    kept: FileQueue[Planned] = FileQueue(_free(path), scribe, create=True)
    with kept.session():
        kept.write(study_record(plan, searches))
        kept.put([queue.item(entry) for entry in entries.values()])
        for entry in entries.values():
            if entry.attempts:
                kept.claim(entry.id)
            if entry.status is Status.DONE or (entry.attempts and entry.status is not Status.RUNNING):
                kept.write(_end_of(entry))
        kept.sync_file()
    return kept


def _end_of(entry: Entry) -> Mapping[str, Any]:
    end: dict[str, Any] = {"t": "end", "id": entry.id, "status": entry.status.value}
    if entry.status is Status.WAITING:  # it has failed or was lost, and is tried again
        end.update(status=Status.FAILED.value, until=entry.not_before)
    run = {"run": entry.run} if entry.run else {}
    return {**end, "error": entry.error, "kind": entry.kind, "elapsed": entry.elapsed, **run}


def _free(path: Path) -> Path:
    place, number = path, 1
    while is_queue(place) or place.exists():
        number += 1
        place = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return place


def _how_it_stands(entry: Entry, ledger: Ledger) -> str:
    if entry.status is Status.DONE:
        return f"done, in {entry.facts.log}"
    if entry.status is Status.REMOVED:
        return "deleted from the queue"
    return ledger.standing(entry)


def _values(text: str) -> dict[str, Any]:
    values = read_text(text + "\n")
    return {key: value for key, value in values.items() if key != "ID"} if isinstance(values, dict) else {}


def _shift(experiments: Iterable[Planned], ledger: Ledger, known: Mapping[str, str]) -> None:
    """Give the experiments of a plan places behind those of before, and their needs the IDs of before."""
    offset = ledger.next_index
    for planned in experiments:
        planned.index += offset
        if planned.id in ledger.entries:
            planned.id = new_id()
    rename_needs(experiments, known)
