"""`rebates work`: help the runs of other processes; and the helpers that `rebates sync --workers` starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

END_SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Hang the command on the tree."""
    app.command()(work)


def work(
    context: typer.Context,
    beside: Annotated[
        int | None, typer.Option("--beside", metavar="PID", help="End when this parent process ends.")
    ] = None,
) -> None:
    """Help the runs that other processes lead, until stopped: compute and push other accounts at the same time (PostgreSQL)."""
    from cli.opening import configuration_of
    from jobs.app import App
    from jobs.clock import system_clock, system_rng
    from jobs.helping import help_runs
    from jobs.logs import configure_logging

    configuration = configuration_of(context)
    configuration.org()  # a helper that could never do anything is told so now
    configure_logging(configuration.settings.logging, events=beside is None)
    clock = system_clock()

    def build() -> App:
        return App.build(configuration, clock=clock, rng=system_rng())

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    help_runs(build, stop, until=lambda: beside is not None and os.getppid() != beside)


@contextmanager
def helpers(context: typer.Context, count: int) -> Iterator[None]:
    """So many more processes of this command line, which help until the block ends."""
    root = context.find_root().obj or {}
    options = [word for name in ("config", "org") if root.get(name) for word in (f"--{name}", root[name])]
    command = [sys.executable, "-m", "cli.main", *options, "work", "--beside", str(os.getpid())]
    started = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for one in started:
            one.send_signal(signal.SIGTERM)
        for one in started:
            try:
                one.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
