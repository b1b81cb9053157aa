"""Processes of ours in a simulation: the real application and store, a clock that only waiting moves, and an end at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection

from connector.org import SalesforceOrg
from jobs.app import App
from jobs.settings import Settings
from state.store import Store
from tests.simulation import truth
from tests.simulation.network import URL, Wire

if TYPE_CHECKING:
    from tests.simulation.world import World

START = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
SECRET = "sim-secret"
LOOKBACK = timedelta(seconds=120)


class SimCrash(BaseException):
    """The process is gone: nothing of it runs any more, not even its `finally`."""


class SimClock:
    """Time that passes only when somebody waits."""

    def __init__(self, start: datetime, skew: timedelta = timedelta(0)) -> None:
        self.moment = start
        self.skew = skew

    def org_now(self) -> datetime:
        return self.moment

    def now(self) -> datetime:
        return self.moment + self.skew

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds() + 1_000_000

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class SimStore(Store):
    """The real store, with a point before and after every commit."""

    app: SimApp

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        app = self.app
        app.breathe()
        app.depth += 1
        try:
            with super().transaction() as tx:
                yield tx
                app.world.commit_point(app, after=False)
                app.world.fenced(app, tx)
        finally:
            app.depth -= 1
        app.world.commit_point(app, after=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.app.breathe()
        with super().read() as tx:
            yield tx


class SimApp(App):
    """One process of ours."""

    world: World
    number: int
    alive: bool
    depth: int

    def breathe(self) -> None:
        """A dead process does nothing more."""
        if not self.alive:
            raise SimCrash

    @cached_property
    def owner(self) -> str:  # type: ignore[override]
        return f"worker:{self.number}"

    @cached_property
    def mapping(self) -> Any:  # type: ignore[override]
        return self.world.template.mapping

    @cached_property
    def programs(self) -> Any:  # type: ignore[override]
        return self.world.template.programs

    @cached_property
    def store(self) -> Store:  # type: ignore[override]
        opened = SimStore(self.world.template.engine(self.world.store_path))
        opened.app = self
        return opened

    @cached_property
    def org(self) -> Any:  # type: ignore[override]
        return SalesforceOrg.connect(
            self.configuration.org(), clock=self.clock, rng=self.rng, log=structlog.get_logger(),
            environ={"SIM_SECRET": SECRET}, transport=Wire(self),
        )  # fmt: skip


def settings_for(url: str) -> Settings:
    return Settings.model_validate(
        {
            "programs": str(truth.PROGRAMS),
            "state": {"url": url},
            "sync": {"lookback": f"{int(LOOKBACK.total_seconds())}s"},
            "org": {
                "main": {
                    "alias": "main", "instance_url": URL, "auth": "client_credentials", "client_id": "sim",
                    "client_secret": "env:SIM_SECRET", "bulk_prefetch": 0, "api_budget_share": 0.9,
                }
            },
        }
    )  # fmt: skip
