"""What every history begins with, made once: an org that is seeded and has our package, and two stores for it."""

from __future__ import annotations

import gc
import importlib.util
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine

from emulator.dispatch import load_handlers
from emulator.oauth_apps import ConnectedApp, register_app
from emulator.org import Org
from emulator.raw_rows import put
from emulator.seed_common import INTEGRATION, backdate, catalog, company, order, rep, since_long
from jobs.deploy import deploy
from jobs.program_files import read_program_files
from jobs.sync import sync
from mappings.file import read_mapping
from state.store import Store
from tests.simulation import truth
from tests.simulation.processes import SECRET, START, SimClock
from tests.simulation.tape import Tape
from tests.simulation.world import World


def _drop(logger: object, name: str, line: dict[str, Any]) -> dict[str, Any]:
    raise structlog.DropEvent


def quiet() -> None:
    """No log lines: a simulated year writes more of them than anybody reads. And two costs of Python less."""
    structlog.configure(processors=[_drop])
    # pyarrow looks for this at every call where it is not installed: 300 times in a history.
    if importlib.util.find_spec("dateutil") is None:
        sys.modules.setdefault("dateutil", None)  # type: ignore[arg-type]


class Template:
    """The org before the story starts, made once: seeded and with our package; and two stores for it."""

    def __init__(self, folder: Path | None = None) -> None:
        memory = Path("/dev/shm")
        self._own = tempfile.TemporaryDirectory(
            prefix="rebates-sim-", dir=memory if memory.is_dir() else None
        )
        self.folder = folder or Path(self._own.name)
        self.mapping = read_mapping("standard", "main")
        self.programs = read_program_files(truth.PROGRAMS)
        assert not self.programs.broken
        self.rules = truth.programs()
        self._engines: dict[Path, Engine] = {}
        load_handlers()
        self._build()
        gc.freeze()  # what is here stays: the collector need not look at it in every history
        gc.set_threshold(100_000, 20, 20)

    def _build(self) -> None:
        clock = SimClock(START - timedelta(hours=2))
        org = Org.create(self.folder / "org.db", clock=clock.org_now, seed=1)
        seed_org(org)
        register_app(org, ConnectedApp("sim", SECRET, run_as=INTEGRATION))
        Store.open(f"sqlite:///{self.folder / 'empty.db'}").close()
        shutil.copy(self.folder / "empty.db", self.folder / "synced.db")
        world = World.over(
            self, org, clock, self.folder / "synced.db", Tape.of({"setup": {"jitter": 1}, "steps": []})
        )
        app = world.process()
        deploy(app)
        clock.sleep(600)
        _copy(self.folder / "org.db", self.folder / "org-deployed.db")
        sync(app)
        clock.sleep(600)
        sync(app)
        app.close()
        _copy(self.folder / "synced.db", self.folder / "store-synced.db")
        _copy(self.folder / "org.db", self.folder / "org-synced.db")
        org.close()

    def engine(self, path: Path) -> Engine:
        """One engine for every process and every seed: what it has learned about our statements is kept."""
        if path not in self._engines:
            self._engines[path] = Store.attach(f"sqlite:///{path}").engine
        return self._engines[path]

    @contextmanager
    def folder_for_one(self) -> Iterator[Path]:
        """An empty folder for one history; the same one each time."""
        live = self.folder / "live"
        live.mkdir()
        try:
            yield live
        finally:
            for engine in self._engines.values():
                engine.dispose()
            shutil.rmtree(live)

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._own.cleanup()


def _copy(source: Path, target: Path) -> None:
    """A whole copy of a database that may be open; in one file, without a log beside it."""
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    new.close()
    old.close()


def seed_org(org: Org) -> None:
    with org.storage.transaction():
        admin = company(org, "Northwind Partner Sales")
        users = [rep(org, admin, "Maya", "Torres"), rep(org, admin, "Sam", "Okafor")]
        goods = catalog(
            org, admin,
            [("Serum", "S", "Skin care", 38_00), ("Lipstick", "L", "Make-up", 18_50), ("Rotor", "R", "Brakes", 78_25),
             ("Training", "T", "Services", 120_00)],
        )  # fmt: skip
        kinds = (
            "Channel Partner / Reseller",
            "Channel Partner / Reseller",
            "Distributor",
            "Customer - Direct",
        )
        accounts = [
            put(
                org,
                "Account",
                admin,
                Name=f"Partner {n}",
                Type=kind,
                OwnerId=users[n % 2],
                BillingCountry="US",
            )
            for n, kind in enumerate(kinds)
        ]
        sales = (
            (0, "Serum", 40),
            (0, "Lipstick", 100),
            (1, "Serum", 30),
            (2, "Rotor", 50),
            (2, "Serum", 5),
            (3, "Serum", 9),
        )
        for n, (account, product, many) in enumerate(sales):
            day = date(2026, 11, 2 + n)
            made = order(org, goods, accounts[account], users[0], day, [(product, many)], Name=f"Order {n}")
            backdate(org, made, day)
        since_long(org, ("User", "Account", "Product2", "Pricebook2", "PricebookEntry"))
