"""A shop: a store with people acting on it, program files in a folder, and computes; no org, no network."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.app import App
from jobs.compute import Computed, compute
from jobs.configuration import load_configuration
from jobs.pull import BEGINNING
from jobs.recheck import recheck
from mappings.canonical import ENTITIES
from state import invariants, meta, staging, standings, watermarks
from state.instants import micros
from state.tables.running import rejected_rows
from tests.postgres_schemas import Schemas, url_of

ORG = "00D000000000001EAA"
CONFIG = """
[org.main]
instance_url = "https://acme.my.salesforce.com"
client_id = "key"
username = "u@acme.example"
private_key = "file:secret.key"
"""


def sf_id(prefix: str, name: str) -> str:
    """An 18 character id that a person can still read."""
    return (prefix + name).ljust(18, "z")[:18]


class ShopClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 6, 15, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def at(self, real: datetime) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Shop:
    """What happened in the org, in the words of the domain; `sync` computes."""

    folder: Path
    url: str
    clock: ShopClock
    stamp: int = 0
    runs: int = 0
    app: App | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # "payouts.settle_from": "2026-01-01"

    def id_of(self, account: str) -> str:
        return sf_id("001", account)

    def order_id(self, order: str) -> str:
        return sf_id("801", order)

    def forget_rejected(self) -> None:
        """Whatever could not be read was mended, as far as it counts."""
        with self.opened.store.transaction() as tx:
            tx.execute(rejected_rows.delete())

    def program(self, text: str, name: str = "program") -> None:
        """Write (or replace) a program file."""
        (self.folder / "programs" / f"{name}.toml").write_text(text)

    def today(self, day: date) -> None:
        self.clock.moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    def account(self, name: str, **fields: Any) -> None:
        parent = fields.pop("parent", None)
        known = {k: fields.pop(k) for k in ("type", "region", "currency", "deleted") if k in fields}
        attributes = json.dumps(fields, sort_keys=True) if fields else None
        row = {"id": sf_id("001", name), "name": name, "attributes": attributes, **known}
        self.pull("account", row | ({"parent_id": sf_id("001", parent)} if parent else {}))

    def product(self, name: str, **fields: Any) -> None:
        self.pull("product", {"id": sf_id("01t", name), "name": name, "active": True, **fields})

    def order(self, name: str, account: str, day: date, *lines: dict[str, Any], **fields: Any) -> None:
        """An order with lines `{"amount": …, "quantity": …, "product": …}`."""
        self.orders([(name, account, day, list(lines), fields)])

    def orders(self, given: list[tuple[str, str, date, list[dict[str, Any]], dict[str, Any]]]) -> None:
        heads, rows = [], []
        for name, account, day, lines, fields in given:
            order_id = sf_id("801", name)
            heads.append(
                {
                    "id": order_id,
                    "account_id": sf_id("001", account),
                    "ordered_on": day,
                    "active": True,
                    "status": "Activated",
                    "number": name,
                    **fields,
                }
            )
            for n, line in enumerate(lines):
                product = line.get("product")
                rows.append(
                    {
                        "id": sf_id("802", f"{name}x{n}"),
                        "order_id": order_id,
                        "product_id": sf_id("01t", product) if product else None,
                        "amount": line["amount"],
                        "quantity": line.get("quantity", 1),
                        "deleted": line.get("deleted", False),
                        "attributes": json.dumps(line["fields"], sort_keys=True)
                        if "fields" in line
                        else None,
                    }
                )
        self.pull("order", *heads)
        if rows:
            self.pull("order_line", *rows)

    def rate(self, currency: str, rate: str, starts_on: date | None = None) -> None:
        self.pull("currency_rate", {"currency": currency, "rate": rate, "starts_on": starts_on})

    def pull(self, entity: str, *rows: dict[str, Any]) -> None:
        self.stamp += 1
        store = self.opened.store
        table = batch(entity, *rows, modstamp=micros(self.clock.now()) + self.stamp)
        with store.transaction() as tx:
            staging.stage(tx, 10_000 + self.stamp, entity, table)
        with store.transaction() as tx:
            staging.apply(tx, 10_000 + self.stamp, entity, now=self.clock.now())

    @property
    def opened(self) -> App:
        if self.app is None:
            (self.folder / "rebates.toml").write_text(CONFIG)
            configuration = load_configuration(
                start=self.folder,
                environment={},
                flags={"state.url": self.url, "programs": str(self.folder / "programs"), **self.settings},
            )
            self.app = App.build(configuration, clock=self.clock, rng=random.Random(1))
            with self.app.store.transaction() as tx:
                if meta.org_id(tx) is None:
                    meta.pin_org(tx, ORG, where="shop")
        return self.app

    def close(self) -> None:
        if self.app is not None:
            self.app.close()
            self.app = None

    def sync(self) -> Computed:
        """Read the program files again and compute."""
        self.close()
        self.runs += 1
        self.read_until(self.clock.now())
        return compute(self.opened, self.runs)

    def read_until(self, when: datetime, *streams: str) -> None:
        """The org was read up to a moment (no streams given: all of them)."""
        with self.opened.store.transaction() as tx:
            for name in streams or ("account", "product", "order", "order_line"):
                watermarks.advance(tx, name, floor=BEGINNING, ceiling=when, now=self.clock.now())

    def standings(self, program: str | None = None) -> dict[tuple[str, str, str], dict[str, Any]]:
        """(program, account name, period) → document."""
        with self.opened.store.read() as tx:
            rows = standings.find(tx, program=program)
        return {(r.program, r.member_name or "", r.period): json.loads(r.document) for r in rows}

    def rebates(self, program: str | None = None) -> dict[tuple[str, str], Decimal]:
        """(account name, period) → rebate."""
        return {key[1:]: Decimal(doc["rebate"]) for key, doc in self.standings(program).items()}

    def broken_promises(self) -> list[str]:
        with self.opened.store.read() as tx:
            again = recheck(self.opened, tx)
            return [str(one) for one in (*invariants.check(tx, deep=True), *again.violations)]


def batch(entity: str, *rows: dict[str, Any], modstamp: int) -> pa.Table:
    """A typed batch as `mappings.inbound` makes them."""
    made = []
    for row in rows:
        values = {"deleted": False, "modstamp": modstamp, "name": row.get("id"), **row}
        for column in ("amount", "quantity"):
            if column in values:
                values[column] = int(Decimal(str(values[column])) * 1_000_000)
        for column in ("ordered_on", "starts_on"):
            if isinstance(values.get(column), date):
                values[column] = values[column].toordinal()
        if isinstance(values.get("ordered_at"), datetime):
            values["ordered_at"] = micros(values["ordered_at"])
        made.append({name: values.get(name) for name in ENTITIES[entity].schema.names})
    return pa.Table.from_pylist(made, schema=ENTITIES[entity].schema)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop on a SQLite file."""
    (tmp_path / "programs").mkdir()
    made = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", ShopClock())
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def make_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Shop]]:
    """Makes shops, each with an empty store, on SQLite and on PostgreSQL."""
    made: list[Shop] = []
    borrowed: list[str] = []
    schemas: Schemas | None = None
    if request.param == "postgresql":
        schemas = request.getfixturevalue("postgres_schemas")

    def make() -> Shop:
        folder = tmp_path / str(len(made))
        (folder / "programs").mkdir(parents=True)
        url = f"sqlite:///{folder}/shop.db"
        if schemas is not None:
            borrowed.append(schemas.lend())
            url = url_of(borrowed[-1])
        made.append(Shop(folder, url, ShopClock()))
        return made[-1]

    yield make
    for one in made:
        one.close()
    for name in borrowed:
        assert schemas is not None
        schemas.give_back(name)
