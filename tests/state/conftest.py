"""A store of each kind for every contract test: a SQLite file, and a PostgreSQL schema of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from mappings.canonical import ENTITIES
from rebates.program import Program
from rebates.tiers import Tier
from state import contributions, invariants, rules, staging, totals
from state.instants import micros
from state.store import Store
from state.tables import facts, work
from state.tables import programs as rows
from tests.postgres_schemas import SERVER, Schemas, url_of


@pytest.fixture(scope="session")
def postgres_server(postgres_schemas: Schemas) -> str:
    """The server's URL."""
    return SERVER


@pytest.fixture
def tables_by_alembic() -> bool:
    """Whether a test's own stores are made by the migrations: tests of the migrations say so."""
    return False


@pytest.fixture
def postgres_url(postgres_schemas: Schemas, tables_by_alembic: bool) -> Iterator[str]:
    """A schema that only this test sees; its store has nothing but its tables."""
    name = postgres_schemas.lend(tables=not tables_by_alembic)
    yield url_of(name)
    postgres_schemas.give_back(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rebates.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def batch(entity: str, *rows: dict[str, Any], modstamp: int = 1) -> pa.Table:
    """A typed batch as `mappings.inbound` makes them. Amounts and quantities in whole units, days as dates."""
    schema = ENTITIES[entity].schema
    made = []
    for row in rows:
        values = {"deleted": False, "modstamp": modstamp, "name": row.get("id"), "quantity": 1, **row}
        for column in ("amount", "quantity"):
            if column in values:
                values[column] = int(Decimal(str(values[column])) * 1_000_000)
        if isinstance(values.get("ordered_on"), date):
            values["ordered_on"] = values["ordered_on"].toordinal()
        if isinstance(values.get("ordered_at"), datetime):
            values["ordered_at"] = micros(values["ordered_at"])
        if isinstance(values.get("starts_on"), date):
            values["starts_on"] = values["starts_on"].toordinal()
        if isinstance(values.get("attributes"), dict):
            values["attributes"] = json.dumps(values["attributes"], sort_keys=True)
        made.append({name: values.get(name) for name in schema.names})
    return pa.Table.from_pylist(made, schema=schema)


def plain_program(key: str = "retail", **terms: Any) -> Program:
    """10 % from the first dollar on, over 2026, monthly."""
    defaults: dict[str, Any] = {
        "starts": date(2026, 1, 1),
        "ends": date(2026, 12, 31),
        "tiers": (Tier(threshold=Decimal(0), rate=Decimal("0.1")),),
    }
    return Program(key=key, **(defaults | terms))


class Scene:
    """A store with people acting on it: what was pulled, what is computed, in the words of the domain."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.programs: tuple[Program, ...] = ()
        self.stamp = 0
        self.run = 0

    def pull(self, entity: str, *rows: dict[str, Any], modstamp: int | None = None) -> staging.Applied:
        """One pull of one entity; every pull is newer than the one before, unless told otherwise."""
        self.stamp += 1
        self.run += 1
        with self.store.transaction() as tx:
            staging.stage(tx, self.run, entity, batch(entity, *rows, modstamp=modstamp or self.stamp))
        with self.store.transaction() as tx:
            return staging.apply(tx, self.run, entity, now=NOW)

    def compute(self, *programs: Program) -> int:
        """Install the programs (those of the last time, when none are given) and bring everything up to date."""
        self.programs = programs or self.programs
        with self.store.transaction() as tx:
            rules.install_programs(tx, self.programs, NOW)
            return contributions.recompute_dirty(tx)

    def totals(self) -> dict[tuple[str, str, str, str, str], tuple[Decimal, Decimal, int]]:
        """(program, bucket, member, period, currency) → (amount, quantity, lines)."""
        t = work.totals.c
        query = (
            select(
                rows.programs.c.key,
                rows.buckets.c.name,
                facts.accounts.c.sf_id,
                rows.periods.c.name.label("period"),
                rows.conversions.c.currency,
                t.amount_e6,
                t.quantity_e6,
                t.lines,
            )
            .join(rows.buckets, rows.buckets.c.pk == t.bucket_pk)
            .join(rows.programs, rows.programs.c.pk == rows.buckets.c.program_pk)
            .join(facts.accounts, facts.accounts.c.pk == t.member_pk)
            .join(rows.periods, rows.periods.c.pk == t.period_pk)
            .join(rows.conversions, rows.conversions.c.pk == t.conversion_pk)
        )
        out: dict[tuple[str, str, str, str, str], tuple[Decimal, Decimal, int]] = {}
        with self.store.read() as tx:
            for row in tx.execute(query):
                key = (row[0], row[1], row[2], row[3], row[4])
                before = out.get(key, (Decimal(0), Decimal(0), 0))
                now = (totals.from_e6(row[5]), totals.from_e6(row[6]), row[7])
                out[key] = (before[0] + now[0], before[1] + now[1], before[2] + now[2])
        return out

    def amounts(self) -> dict[tuple[str, str], Decimal]:
        """(member, period) → amount, for scenes with one plain program."""
        return {(member, period): sums[0] for (_, _, member, period, _), sums in self.totals().items()}

    def violations(self, *, deep: bool = True) -> list[invariants.Violation]:
        with self.store.read() as tx:
            return [v for v in invariants.check(tx, deep=deep) if "has no standing" not in v.name]


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


@pytest.fixture
def program() -> Callable[..., Program]:
    return plain_program


@pytest.fixture
def make_batch() -> Callable[..., pa.Table]:
    return batch


@pytest.fixture
def new_scene() -> Callable[[Store], Scene]:
    return Scene


@pytest.fixture
def now() -> datetime:
    return NOW
