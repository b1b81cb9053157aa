"""Engines beside the store answer the from-scratch statement to the last digit, or nothing is saved."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from sqlalchemy import literal, select

from rebates.calendars import Cut
from rebates.conditions import Condition, Filter
from rebates.hierarchy import Hierarchy
from rebates.settle import Settlement
from state import contributions, parts
from state.engines.duck import Duck
from state.engines.outside import EngineFailed, FactsMoved
from state.engines.spark import Spark
from state.engines.spelling import spelled
from state.snapshot import Snapshot
from state.tables.facts import orders
from state.tables.work import contributions as contribution_table
from state.tables.work import totals as total_table

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def duck(tmp_path):
    return Duck(Snapshot(tmp_path / "facts", now=NOW), "256MB")


def only(side, field, *values):
    return Filter((Condition(side, field, one_of=values),))


def terms(program):
    """One program of each kind that the statement treats differently."""
    return [
        program("plain"),
        program("family", counts=only("product", "family", "Skin", "100% Hair's")),
        program("east", cut=Cut("quarter"), members=only("account", "region", "East")),
        program("groups", hierarchy=Hierarchy(roll_up="parent"), time_zone="America/New_York"),
        program("status", counts=only("order", "status", "Sent")),
        program("large", counts=Filter((Condition("line", "amount", at_least="100"),))),
        program("named", counts=only("order", "number", "N-3", "50% 'x'", "N-7")),
        program("back", settlement=Settlement(returns="original_period")),
    ]


@pytest.fixture
def market(scene, program):
    """Three hundred orders at chance: returns, cancelled, deleted, by day and by instant, in two currencies."""
    chance = random.Random(7)
    names = [f"A{n}" for n in range(12)]
    scene.pull(
        "account",
        *(
            {"id": name, "region": chance.choice(["East", "West"]), "parent_id": names[0] if n % 3 else None}
            for n, name in enumerate(names)
        ),
    )
    families = ["Skin", "100% Hair's", None]
    scene.pull("product", *({"id": f"P{n}", "family": families[n % 3]} for n in range(9)))
    scene.pull("order", *(_order(n, chance, names) for n in range(300)))
    scene.pull(
        "order_line",
        *(
            {
                "id": f"L{n}", "order_id": f"O{n % 300}", "product_id": chance.choice([None, f"P{n % 9}"]),
                "amount": Decimal(chance.randrange(-(10**9), 10**9)) / 1_000_000, "quantity": chance.randrange(-5, 50),
                "deleted": chance.random() < 0.05,
            }
            for n in range(900)
        ),
    )  # fmt: skip
    scene.compute(*terms(program))
    return scene


def _order(n, chance, names):
    day = date(2026, 1, 1).toordinal() + chance.randrange(365)
    when = {"ordered_on": date.fromordinal(day)}
    if n % 4 == 0:
        when = {
            "ordered_at": datetime.fromordinal(day).replace(
                tzinfo=UTC, hour=chance.randrange(24), microsecond=1
            )
        }
    return {
        "id": f"O{n}", "account_id": chance.choice(names), "status": chance.choice(["Sent", "Draft"]),
        "active": chance.random() < 0.9, "deleted": chance.random() < 0.05, **when,
        "currency": chance.choice([None, "EUR"]), "number": chance.choice([f"N-{n % 9}", "50% 'x'"]),
        "original_order_id": f"O{chance.randrange(300)}" if n % 5 == 0 else None,
    }  # fmt: skip


def kept(store):
    with store.read() as tx:
        return [
            sorted(map(tuple, tx.execute(select(*table.columns))))
            for table in (contribution_table, total_table)
        ]


def test_duckdb_gives_the_stores_own_answer_to_the_last_digit(market, duck):
    before = kept(market.store)
    assert len(before[0]) > 1_000
    with market.store.transaction() as tx:
        assert contributions.rebuild(tx, engine=duck) == 0  # not one cell differs
    assert kept(market.store) == before
    assert market.violations() == []


def test_some_programs_alone_can_be_left_to_an_engine(market, duck):
    before = kept(market.store)
    with market.store.transaction() as tx:
        assert contributions.rebuild(tx, (2, 6, 8), engine=duck) == 0
    assert kept(market.store) == before


def test_what_changed_since_is_in_the_answer(market, duck):
    with market.store.transaction() as tx:
        contributions.rebuild(tx, engine=duck)
    market.pull("order_line", {"id": "L5", "order_id": "O5", "amount": "0.000001", "quantity": 1})
    with market.store.transaction() as tx:
        contributions.rebuild(tx, engine=duck)
    after = kept(market.store)
    with market.store.transaction() as tx:
        assert contributions.rebuild(tx) == 0
    assert kept(market.store) == after


def test_a_sum_that_does_not_fit_is_an_error_and_saves_nothing(market, duck):
    before = kept(market.store)
    most = Decimal(2**63 - 1) / 1_000_000
    market.pull("order", {"id": "BIG", "account_id": "A1", "ordered_on": date(2026, 2, 1), "status": "Sent"})
    market.pull(
        "order_line",
        {"id": "B1", "order_id": "BIG", "amount": most},
        {"id": "B2", "order_id": "BIG", "amount": most},
    )
    with pytest.raises(EngineFailed), market.store.transaction() as tx:
        contributions.rebuild(tx, engine=duck)
    assert kept(market.store) == before


def test_orders_that_change_meanwhile_are_never_counted_half(market, duck):
    before = kept(market.store)

    class Interrupted(Duck):
        def answer(self, sql, tables, work):
            parts.note_changed(self.tx, select(literal(1)))  # what somebody else commits while we compute
            return super().answer(sql, tables, work)

    engine = Interrupted(duck.snapshot, "256MB")
    with pytest.raises(FactsMoved), market.store.transaction() as tx:
        engine.tx = tx
        contributions.rebuild(tx, engine=engine)
    assert kept(market.store) == before


def test_a_store_without_orders_has_an_empty_answer(scene, program, duck):
    scene.compute(program())
    with scene.store.transaction() as tx:
        assert contributions.rebuild(tx, engine=duck) == 0


def test_nothing_of_the_work_stays_beside_the_snapshot(market, duck):
    (duck.snapshot.folder / "rebates-asked-and-killed").mkdir(parents=True)
    with market.store.transaction() as tx:
        contributions.rebuild(tx, engine=duck)
    assert {path.suffix for path in duck.snapshot.folder.iterdir()} == {".json", ".parquet"}


def test_a_folder_of_somebody_elses_beside_the_snapshot_stays(market, duck):
    for _ in range(2):
        with market.store.transaction() as tx:
            contributions.rebuild(tx, engine=duck)
        kept = duck.snapshot.folder / "asked-of-finance" / "answers.txt"
        kept.parent.mkdir(exist_ok=True)
        kept.write_text("theirs")
    assert kept.read_text() == "theirs"


@pytest.fixture
def spark(tmp_path):
    return Spark(Snapshot(tmp_path / "facts", now=NOW), "spark://there:7077", {})


def ended(code, said=""):
    return lambda *words, **how: subprocess.CompletedProcess(words, code, stdout="", stderr=said)


def test_an_answer_of_spark_that_this_host_cannot_see_is_named(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", ended(0))
    with pytest.raises(EngineFailed, match="does not see it") as caught:
        spark.answer("SELECT 1", {}, tmp_path)
    assert "mount at the same path" in caught.value.hint


def test_why_spark_failed_is_said_without_its_trace(spark, tmp_path, monkeypatch):
    said = (
        "WARN something\nArithmeticException: [OVERFLOW] long overflow\n\tat org.apache.spark.X(Y.java:1)\n"
    )
    monkeypatch.setattr(subprocess, "run", ended(1, said))
    with pytest.raises(
        EngineFailed, match=r"spark://there:7077: ArithmeticException: \[OVERFLOW\] long overflow"
    ):
        spark.answer("SELECT 1", {}, tmp_path)


def test_nothing_is_drawn_into_our_results(duck, tmp_path):
    (answer,) = duck.answer("SELECT current_setting('enable_progress_bar') AS drawn", {}, tmp_path)
    assert pq.read_table(answer).to_pylist() == [{"drawn": False}]


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_texts_keep_their_quotes_and_percent_signs_in_other_engines(dialect):
    said = spelled(select(orders.c.pk).where(orders.c.number.in_(["50% 'x'", "a\\b"])), dialect)
    assert "50% " in said.sql
    assert "%%" not in said.sql
    assert said.columns == {"orders": frozenset({"pk", "number"})}
