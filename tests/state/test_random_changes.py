"""Any sequence of changes: the totals by difference equal those from scratch, and plain Python agrees with both."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rebates.calendars import Cut
from rebates.conditions import Condition, Filter
from rebates.hierarchy import Hierarchy
from state import contributions, parts, staging
from state.engines.duck import Duck
from state.snapshot import Snapshot
from state.store import Store
from tests.postgres_schemas import url_of

ACCOUNTS = ("A1", "A2", "A3", "A4")
PRODUCTS = (None, "P1", "P2", "P3")
ORDERS = tuple(f"O{n}" for n in range(6))
LINES = tuple(f"L{n}" for n in range(4))
DAYS = st.sampled_from(
    [
        date(2025, 12, 31),
        date(2026, 1, 1),
        date(2026, 3, 31),
        date(2026, 4, 1),
        date(2026, 12, 31),
        date(2027, 1, 1),
    ]
)
MICRO = Decimal("0.000001")


def only(side, name, *values):
    return Filter((Condition(side, name, one_of=values),))


def variants(program):
    """Terms that use every kind of rule; the machine switches between them."""
    return [
        program("plain"),
        program("plain", cut=Cut("quarter"), counts=only("product", "family", "Skin")),
        program("parents", members=only("account", "type", "Group"), hierarchy=Hierarchy(roll_up="parent")),
        program(
            "parents",
            cut=Cut("program"),
            counts=only("account", "region", "West") + only("order", "status", "Sent"),
        ),
        program("lines", counts=Filter((Condition("line", "promo", present=False),)), cut=Cut("year")),
    ]


@dataclass(frozen=True)
class World:
    """What the org holds: the oracle computes from this alone."""

    accounts: dict = field(default_factory=dict)
    products: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)


def member_of(world, program, account):
    """An independent reading of who is paid: the account itself, or the nearest enrolled one above it."""

    def enrolled(name):
        row = world.accounts.get(name)
        if row is None or row["deleted"]:
            return False
        wanted = list(program.members.conditions)
        return all(row.get(c.field) in c.one_of for c in wanted)

    here = world.accounts.get(account)
    if here is None or here["deleted"]:
        return None
    if program.hierarchy.roll_up == "none":
        return account if enrolled(account) else None
    seen, top, name = set(), None, account
    while name is not None:
        if name in seen:
            return None
        seen.add(name)
        if enrolled(name):
            top = name
            if program.members.conditions:
                return name
        name = (world.accounts.get(name) or {}).get("parent_id")
    return top


def expected(world, programs):
    """Totals by a plain loop over all lines."""
    out = defaultdict(lambda: (Decimal(0), Decimal(0), 0))
    for program in programs:
        for line in world.lines.values():
            order = world.orders.get(line["order_id"])
            if order is None or order["deleted"] or line["deleted"] or not order["active"]:
                continue
            member = member_of(world, program, order["account_id"])
            period = program.period_of(order["ordered_on"])
            if member is None or period is None:
                continue
            product = world.products.get(line["product_id"]) or {}
            sides = {
                "account": world.accounts[order["account_id"]],
                "product": product,
                "order": order,
                "line": line.get("attributes") or {},
            }
            counts = True
            for condition in program.counts.conditions:
                value = sides[condition.side].get(condition.field)
                if condition.present is not None:
                    counts &= (value is not None) == condition.present
                else:
                    counts &= value in condition.one_of
            if counts:
                key = (program.key, "all", member, period.key, "")
                amount, quantity, lines = out[key]
                out[key] = (amount + line["amount"], quantity + line["quantity"], lines + 1)
    return dict(out)


class Changes(RuleBasedStateMachine):
    """People change records; the store pulls what changed, late, twice and in any order."""

    scene = None  # set by the test
    program = None

    @initialize()
    def begin(self):
        self.world = World()
        self.here = type(self).new_scene()
        self.pending = []
        self.past = []
        self.terms = variants(type(self).program)
        self.now = [self.terms[0], self.terms[2]]
        self.stamp = itertools.count(1)
        self.everything_sells()
        self.pull_and_compute(backward=False, twice=False)
        assert len(self.here.totals()) > len(ACCOUNTS)

    def everything_sells(self):
        """A busy world to begin with: every order has lines that count somewhere."""
        for n, name in enumerate(ACCOUNTS):
            above = ACCOUNTS[n - 1] if n % 2 else None
            self.change(
                "account",
                "accounts",
                {"id": name, "parent_id": above, "type": "Group" if n < 3 else "Shop", "region": "West"},
            )
        for n, name in enumerate(PRODUCTS[1:]):
            self.change("product", "products", {"id": name, "family": ("Skin", "Hair", None)[n]})
        for n, name in enumerate(ORDERS):
            day = (date(2026, 1, 1), date(2026, 3, 31), date(2026, 4, 1))[n % 3]
            row = {
                "id": name,
                "account_id": ACCOUNTS[n % 4],
                "ordered_on": day,
                "active": True,
                "status": "Sent",
            }
            self.change("order", "orders", row)
            for m, line in enumerate(LINES):
                row = {
                    "id": name + line,
                    "order_id": name,
                    "product_id": PRODUCTS[m],
                    "amount": 100 * n + m + MICRO,
                    "quantity": Decimal(m),
                }
                self.change("order_line", "lines", row)

    def change(self, entity, kind, row):
        row = {"deleted": False, **row, "modstamp": next(self.stamp)}
        getattr(self.world, kind)[row["id"]] = row
        self.pending.append((entity, row))

    @rule(
        name=st.sampled_from(ACCOUNTS), parent=st.sampled_from([None, *ACCOUNTS]), deleted=st.booleans(),
        type=st.sampled_from(["Group", "Shop"]), region=st.sampled_from(["West", "East"]),
    )  # fmt: skip
    def account_changes(self, name, parent, deleted, type, region):
        self.change(
            "account",
            "accounts",
            {
                "id": name,
                "parent_id": parent,
                "type": type,
                "region": region,
                "deleted": deleted and region == "East",
            },
        )

    @rule(name=st.sampled_from(PRODUCTS[1:]), family=st.sampled_from(["Skin", "Hair", None]))
    def product_changes(self, name, family):
        self.change("product", "products", {"id": name, "family": family})

    @rule(
        name=st.sampled_from(ORDERS), account=st.sampled_from(ACCOUNTS), day=DAYS, active=st.sampled_from([True, True, False]),
        status=st.sampled_from(["Sent", "Draft"]), deleted=st.integers(0, 4),
    )  # fmt: skip
    def order_changes(self, name, account, day, active, status, deleted):
        self.change(
            "order", "orders",
            {"id": name, "account_id": account, "ordered_on": day, "active": active, "status": status, "deleted": deleted == 0},
        )  # fmt: skip

    @rule(
        order=st.sampled_from(ORDERS), name=st.sampled_from(LINES), product=st.sampled_from(PRODUCTS),
        amount=st.integers(-(10**12), 10**12), quantity=st.integers(-(10**9), 10**9), promo=st.booleans(),
        deleted=st.integers(0, 4), moves_to=st.sampled_from([None, None, *ORDERS]),
    )  # fmt: skip
    def line_changes(self, order, name, product, amount, quantity, promo, deleted, moves_to):
        self.change(
            "order_line", "lines",
            {
                "id": f"{order}{name}", "order_id": moves_to or order, "product_id": product, "amount": amount * MICRO,
                "quantity": quantity * MICRO, "attributes": {"promo": "x"} if promo else None, "deleted": deleted == 0,
            },
        )  # fmt: skip

    @rule(first=st.integers(0, 1), second=st.integers(2, 3), third=st.booleans())
    def programs_change(self, first, second, third):
        self.now = [self.terms[first], self.terms[second], *([self.terms[4]] if third else [])]

    @rule(backward=st.booleans(), twice=st.booleans())
    def later(self, backward, twice):
        self.pull_and_compute(backward, twice)

    def pull_and_compute(self, backward, twice):
        """Records arrive by entity in any order, older versions after newer ones, some of them twice."""
        order = list(reversed(self.pending)) if backward else self.pending
        for entity in (
            ("order_line", "order", "account", "product")
            if backward
            else ("account", "product", "order", "order_line")
        ):
            rows = [row for kind, row in order if kind == entity]
            for _ in range(1 + twice if rows else 0):
                self.here.pull(entity, *rows)
        self.past += self.pending
        self.pending = []
        self.here.compute(*self.now)
        assert self.here.totals() == expected(self.world, self.now)

    @rule(data=st.data())
    def an_old_version_arrives_late(self, data):
        """Pages and windows overlap: what was read before comes again, after newer versions."""
        if self.past:
            entity, row = data.draw(st.sampled_from(self.past))
            self.here.pull(entity, row)
            self.here.compute()
            if not self.pending:
                assert self.here.totals() == expected(self.world, self.here.programs)

    @rule()
    def a_pull_dies_before_its_commit(self):
        """Nothing half: neither rows nor marks nor totals."""
        before = self.here.totals()
        try:
            with self.here.store.transaction() as tx:
                for entity, row in self.pending:
                    staging.stage(tx, 999, entity, type(self).batch(entity, row, modstamp=row["modstamp"]))
                for entity in ("order_line", "order", "account", "product"):
                    staging.apply(tx, 999, entity, now=datetime(2026, 6, 1, tzinfo=UTC))
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert self.here.totals() == before

    @rule()
    def from_scratch_is_the_same(self):
        if self.here.programs:
            before = self.here.totals()
            self.here.compute()
            with self.here.store.transaction() as tx:
                assert contributions.rebuild(tx) == 0
            assert self.here.totals() == before

    @rule()
    def from_scratch_by_another_engine_is_the_same(self):
        """Its copy of the facts is kept by parts: whatever wrote the rows, the parts that it touched are read again."""
        file = self.here.store.path
        if self.here.programs and file is not None:
            before = self.here.totals()
            self.here.compute()
            snapshot = Snapshot(file.with_suffix(".snapshot"), now=datetime(2026, 6, 1, tzinfo=UTC))
            with self.here.store.transaction() as tx:
                assert contributions.rebuild(tx, engine=Duck(snapshot, "128MB")) == 0
            assert self.here.totals() == before

    @invariant()
    def nothing_is_broken(self):
        if hasattr(self, "here"):
            assert self.here.violations() == []

    def teardown(self):
        if hasattr(self, "here"):
            self.here.store.close()


def run(machine, examples, steps):
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks, database=None,
            derandomize=True,
        ),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def by_the_difference(monkeypatch):
    """However many of the few orders changed: never from scratch, unless a rule of the machine says so."""
    monkeypatch.setattr(contributions, "REBUILD_FROM_ONE_IN", 0)


@pytest.mark.long
def test_any_sequence_of_changes_on_sqlite(tmp_path, program, new_scene, make_batch, monkeypatch):
    monkeypatch.setattr(parts, "ORDERS_PER_PART", 3)
    numbers = itertools.count()
    empty = Store.open(f"sqlite:///{tmp_path / 'empty.db'}")
    empty.close()

    class OnSQLite(Changes):
        batch = staticmethod(make_batch)

        @staticmethod
        def new_scene():
            path = tmp_path / f"{next(numbers)}.db"
            path.write_bytes((tmp_path / "empty.db").read_bytes())
            return new_scene(Store.open(f"sqlite:///{path}"))

    OnSQLite.program = staticmethod(program)
    run(OnSQLite, examples=25, steps=25)


@pytest.mark.postgres
def test_any_sequence_of_changes_on_postgresql(postgres_schemas, program, new_scene, make_batch):
    borrowed = []

    class OnPostgreSQL(Changes):
        batch = staticmethod(make_batch)

        @staticmethod
        def new_scene():
            borrowed.append(postgres_schemas.lend())
            return new_scene(Store.open(url_of(borrowed[-1])))

        def teardown(self):
            super().teardown()
            while borrowed:
                postgres_schemas.give_back(borrowed.pop())

    OnPostgreSQL.program = staticmethod(program)
    run(OnPostgreSQL, examples=6, steps=20)
