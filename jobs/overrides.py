"""What a person let through although a fuse would stop it: the trail keeps who said so, and for which run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.again import again
from jobs.person import person
from state import audit

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.running import Running

LET_THROUGH = "let through"  # the deed's name in the trail


def allowed(app: App) -> list[str]:
    """The flags of a compute that this application was given."""
    given = {
        "--allow-many-corrections": app.allow_many_corrections,
        "--allow-mass-clear": app.allow_mass_clear,
        "--allow-many-tasks": app.allow_many_tasks,
    }
    return [flag for flag, said in given.items() if said]


def note(run: Running, flags: Sequence[str]) -> None:
    """Write down who asked for it, before anything is done by it; a rehearsal undoes this with the rest."""
    if flags:
        again(run.app, _note, run, flags)


def _note(run: Running, flags: Sequence[str]) -> None:
    app = run.app
    with app.store.transaction() as tx:
        audit.append(
            tx, actor=person(), action=LET_THROUGH, object=f"{run.job} {run.pk}", detail={"by": " ".join(flags)},
            now=app.clock.now(),
        )  # fmt: skip
