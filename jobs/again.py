"""A step of a run that the database undid is begun again, a few times: a deadlock, a failover, a connection that was ended.

The step (pull, compute, push …) is what is repeated, not one transaction: what a transaction writes was decided by what
was read before it. Each step can be killed anywhere and begun again, so a commit whose fate is unknown is no danger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import structlog

from state.errors import StoreError

if TYPE_CHECKING:
    from jobs.app import App

PAUSES = (1.0, 4.0, 15.0, 40.0)  # seconds: together longer than a failover usually takes
LOOK_SECONDS = 1.0  # between two looks whether somebody wants us to stop

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")


def again(app: App, step: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Do a step with what it takes; when the store refuses it for a reason that passes, wait and do it again, five times at most.

    Raises the last `StoreError`. In a rehearsal nothing is repeated: what came before the step is undone with it.
    """
    for number, pause in enumerate(PAUSES, 1):
        try:
            return step(*args, **named)
        except StoreError as error:
            if not error.passes or app.rehearses or app.stopping.is_set():
                raise
            log.warning("store.step_again", code=error.code, what=error.what, times=number)
        _wait(app, pause * (0.5 + app.rng.random() / 2))  # two that met do not meet again
    return step(*args, **named)


def _wait(app: App, seconds: float) -> None:
    while seconds > 0 and not app.stopping.is_set():
        app.clock.sleep(min(seconds, LOOK_SECONDS))
        seconds -= LOOK_SECONDS
