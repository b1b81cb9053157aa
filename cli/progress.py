"""Progress on stderr: bars on a terminal, one line a step elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.progress import Progress, Silent, Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class _Counted:
    """Counts rows; the line is printed when the step ends."""

    def __init__(self) -> None:
        self.rows = 0

    def advance(self, rows: int = 1) -> None:
        self.rows += rows

    def total(self, rows: int | None) -> None:
        """A line at the end needs no total."""


class Lines:
    """One line a step, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        counted = _Counted()
        yield counted
        self._console.print(f"{name}: {counted.rows:,}" if counted.rows else name)


class _Bar:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, rows: int = 1) -> None:
        self._bars.advance(self._task, rows)

    def total(self, rows: int | None) -> None:
        self._bars.update(self._task, total=rows)


class Drawn:
    """Bars that stay when their step is done."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        from cli.consoles import visible

        task = self._bars.add_task(visible(name), total=total)
        yield _Bar(self._bars, task)
        done = self._bars.tasks[self._bars.task_ids.index(task)].completed
        self._bars.update(task, total=done or 1, completed=done or 1)


@contextmanager
def progress_for(*, quiet: bool) -> Iterator[Progress]:
    """The kind of progress that fits stderr."""
    if quiet:
        yield Silent()
        return
    from cli.output import stderr

    console = stderr()
    if not sys.stderr.isatty():
        yield Lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield Drawn(bars)
