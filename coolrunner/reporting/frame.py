"""What the live region shows: unfinished output, what runs, and how far the study is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coolrunner.reporting.progress import Progress, Running
from coolrunner.reporting.text import cut, duration, one_line, pairs, width_of

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["frame"]

_NAME = 24
_BAR = (8, 40)


def frame(progress: Progress, unfinished: Sequence[str], width: int, height: int, now: float) -> list[Text]:
    """Return the lines of the region.

    Parameters
    ----------
    progress
        The study so far.
    unfinished
        The last line of each experiment's output, if it has no end yet.
    width, height
        Of the terminal, in columns and lines.
    now
        The time, as `time.monotonic` gives it.
    """
    from rich.text import Text

    running = list(progress.running.values())
    room = max(height - 4, 1)
    lines = [_output_line(text) for text in unfinished[: max(room - len(running), 1)]]
    shown = running[: max(room - len(lines), 1)]
    lines += _running_lines(shown, progress.total, width, now)
    if len(running) > len(shown):
        lines.append(Text(f"  … and {len(running) - len(shown)} more", style="dim"))
    lines.append(_bar_line(progress, width))
    return lines


def _output_line(text: str) -> Text:
    from rich.text import Text

    line = Text.from_ansi(text)
    line.expand_tabs(8)
    line.no_wrap = True
    return line


def _running_lines(running: Sequence[Running], total: int, width: int, now: float) -> list[Text]:
    """Return a line for each experiment that runs: place, name, for how long, and its settings."""
    from rich.text import Text

    places = [f"{one.ordinal}/{total}" for one in running]
    names = [cut(one_line(one.name), _NAME) for one in running]
    times = [_ticking(now - one.since) for one in running]
    wide = max(map(width_of, names), default=0)
    lines = []
    for one, place, name, time in zip(running, places, names, times, strict=True):
        line = Text("▸ ", style="green")
        line.append(f"{place:>{max(map(len, places))}} {name}{' ' * (wide - width_of(name))}", style="bold")
        line.append(f"  {time:>{max(map(len, times))}}", style="not bold default")
        room = width - line.cell_len - 2
        if room > 6 and one.differing:
            line.append(f"  {pairs(one.differing, room)}", style="not bold dim default")
        lines.append(line)
    return lines


def _ticking(seconds: float) -> str:
    """Return a time in whole seconds: tenths would flicker."""
    return duration(float(int(seconds)))


def _bar_line(progress: Progress, width: int) -> Text:
    from rich.text import Text

    total, ended = max(progress.total, 1), progress.ended
    counts = Text(f"{progress.done} done", style="green" if progress.done else "dim")
    if progress.failed:
        counts.append("  ").append(f"{progress.failed} failed", style="red")
    if progress.interrupted:
        counts.append("  ").append(f"{progress.interrupted} interrupted", style="yellow")
    counts.append("  ").append(f"{progress.left} left", style="default")
    counts.append(f"  {100 * ended // total} %", style="bold default")
    remaining = progress.remaining()
    if remaining is not None and ended < total:
        counts.append(f"  ≈ {_ticking(remaining)} to go", style="dim default")
    least, most = _BAR
    size = min(most, width - counts.cell_len - 1)
    if size < least:
        return counts
    good, bad = _shares(size, total, progress.done, progress.failed + progress.interrupted)
    bar = Text("━" * good, style="green").append("━" * bad, style="red")
    return bar.append("─" * (size - good - bad), style="dim default").append(" ").append_text(counts)


def _shares(size: int, total: int, done: int, failed: int) -> tuple[int, int]:
    """Return how many cells of a bar are done and failed; a single failure is seen."""
    bad = min(max(1, size * failed // total), size) if failed else 0
    return min(size * done // total, size - bad), bad
