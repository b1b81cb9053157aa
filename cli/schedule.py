"""`rebates schedule …`: run jobs at their times, or list them."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.app import App

app = typer.Typer(help="Jobs at their times.", no_args_is_help=True)


@app.command()
def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, then stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: one JSON object on stdout.")] = False,
) -> None:
    """Run the scheduled jobs until stopped. Several may run on one database: each slot is done once."""
    from cli.opening import configuration_of
    from jobs.app import App
    from jobs.clock import system_clock, system_rng
    from jobs.logs import configure_logging
    from jobs.schedule import PUT_OFF, jobs_of, run_due, run_forever

    if as_json and not once:
        raise typer.BadParameter(
            "goes with --once: without it this command does not end", param_hint="--json"
        )
    configuration = configuration_of(context)
    configuration.org()  # a scheduler that could never do anything is told so now
    configure_logging(configuration.settings.logging, events=True)
    clock = system_clock()

    def build() -> App:
        return App.build(configuration, clock=clock, rng=system_rng())

    if once:
        with build() as application:
            outcomes = {job.name: run_due(application, job) for job in jobs_of(application)}
        ended = set(outcomes.values())
        failed = [name for name, outcome in outcomes.items() if outcome in ("failed", PUT_OFF)]
        emit(
            "schedule run", {"jobs": outcomes}, as_json=as_json, human=lambda _: None,
            exit_code=Exit.FAILED if failed else Exit.REJECTED_ROWS if "partial" in ended else Exit.OK,
            error={"code": "schedule", "message": f"failed: {', '.join(failed)}", "hint": "rebates status"} if failed else None,
        )  # fmt: skip
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_forever(build, stop)


@app.command("list")
def list_jobs(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Each job, its rhythm, and its next five times."""
    from cli.configuration import _shown
    from cli.opening import opened
    from jobs.schedule import jobs_of
    from jobs.slots import next_slot

    rows = []
    with opened(context, quiet=True) as application:
        zone, now = application.settings.schedule.time_zone, application.clock.now()
        for job in jobs_of(application):
            slots, at = [], now
            for _ in range(5):
                at = next_slot(job.schedule, zone, at)
                slots.append(at)
            rhythm = job.schedule.cron or f"every {_shown(job.schedule.every)}"
            rows.append({"job": job.name, "rhythm": rhythm, "next": slots})

    def human(console: Console) -> None:
        for row in rows:
            console.print(f"[bold]{row['job']}[/] {row['rhythm']}")
            for slot in row["next"]:
                console.print(f"   {slot:%a %Y-%m-%d %H:%M} UTC")

    emit("schedule list", {"time_zone": zone, "jobs": rows}, as_json=as_json, human=human)
