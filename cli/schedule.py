"""`rebates schedule …`: run jobs at their times, or list them."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit, styled

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.app import App
    from jobs.due import Look

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
    from jobs.due import jobs_of, look
    from jobs.logs import configure_logging
    from jobs.refusals import Interrupted
    from jobs.schedule import run_forever

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
        found: dict[str, Look] = {}
        with build() as application:
            for job in jobs_of(application):
                found[job.name] = look(application, job)
                if found[job.name].outcome == "interrupted":
                    raise Interrupted  # the others stay due
        code, error = _worst(found)
        outcomes = {name: one.outcome for name, one in found.items()}
        emit(
            "schedule run", {"jobs": outcomes}, as_json=as_json, human=lambda _: None, exit_code=code, error=error
        )  # fmt: skip
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_forever(build, stop)


# Which code stands for several jobs: the one that a person must do the most about.
_WORST = (Exit.AUTHENTICATION, Exit.API_BUDGET, Exit.USAGE, Exit.FAILED, Exit.LOCKED)


def _worst(found: dict[str, Look]) -> tuple[int, dict[str, str | None] | None]:
    """The exit code of a turn, as each job's own command would have ended, and the error that it stands for."""
    from cli.errors import explain

    told = {name: explain(one.error) for name, one in found.items() if one.error is not None}
    for code in _WORST:
        for name, one in told.items():
            if one is not None and one.exit_code == code:
                return code, {"code": one.code, "message": f"{name}: {one.message}", "hint": one.hint}
    outcomes = {one.outcome for one in found.values()}
    if "failed" in outcomes:
        return Exit.FAILED, {"code": "schedule", "message": "a job failed", "hint": "rebates status"}
    return (Exit.REJECTED_ROWS if "partial" in outcomes else Exit.OK), None


@app.command("list")
def list_jobs(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Each job, its rhythm, and its next five times."""
    from cli.configuration import _shown
    from cli.opening import opened
    from jobs.due import jobs_of
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
            console.print(styled((str(row["job"]), "bold"), f" {row['rhythm']}"))
            for slot in row["next"]:
                console.print(f"   {slot:%a %Y-%m-%d %H:%M} UTC")

    emit("schedule list", {"time_zone": zone, "jobs": rows}, as_json=as_json, human=human)
