"""Which commands there are. One line a group; the groups import what they need when a command runs."""

from __future__ import annotations

import typer

_registered = False


def register(app: typer.Typer) -> None:
    """Hang every command on the tree, once."""
    global _registered
    if _registered:
        return
    _registered = True
    from cli import (
        audit,
        configuration,
        database,
        demo,
        emulator,
        mapping,
        operations,
        org,
        outbox,
        payouts,
        periods,
        program,
        schedule,
        setup,
        standings,
        sync,
        work,
    )

    for group in (demo, setup, sync, work, standings, operations, audit):
        group.register(app)
    app.add_typer(configuration.app, name="config")
    app.add_typer(mapping.app, name="mapping")
    app.add_typer(program.app, name="program")
    app.add_typer(org.app, name="org")
    app.add_typer(outbox.app, name="outbox")
    app.add_typer(payouts.app, name="payouts")
    app.add_typer(periods.app, name="periods")
    app.add_typer(schedule.app, name="schedule")
    app.add_typer(database.app, name="db")
    emulator.register(app)
