"""Conditions on single rows: the database's answer is the engine's, letter by letter and to the last millionth."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, true

from rebates import parse_program
from rebates.conditions import Condition, Filter
from rebates.qualifiers import Bucket
from rebates.settle import Settlement
from state import contributions, evidence, row_rules
from state.tables.facts import order_lines, orders
from state.totals import Cell

TEXTS = (
    "WEB-17",
    "web-17",
    "Web-17",
    "WEB_17",
    "WEB%",
    "",
    None,
    "Straße",
    "STRASSE",
    "é1",
    "e1",
    "W",
    "WEB/A",
    "WEB",
)
AMOUNTS = ("0", "100", "99.999999", "100.000001", "-0.5", "1000000000", "12.5", "-100")


@pytest.fixture
def rows(scene):
    """Every text and every amount in an order and a line of their own, from the last day of 2025 on."""
    scene.pull("account", {"id": "ACME"}, {"id": "BETA"})
    scene.pull("product", {"id": "CREAM"})
    for n in range(42):
        order = {
            "id": f"O{n}",
            "account_id": ("ACME", "BETA")[n % 2],
            "number": TEXTS[n % len(TEXTS)],
            "original_order_id": TEXTS[(n * 5) % len(TEXTS)],
            "ordered_on": None if n % 7 == 6 else date(2025, 12, 31) + timedelta(days=n),
        }
        scene.pull("order", order)
        line = {"id": f"L{n}", "order_id": f"O{n}", "product_id": (None, "CREAM")[n % 2]}
        scene.pull("order_line", line | {"amount": AMOUNTS[n % 8], "quantity": AMOUNTS[(n * 3) % 8]})
    return scene


def fields_of(tx):
    """(order fields, line fields) of every line, by the line's id, as the rules of the engine take them."""
    everything = evidence.lines_where(tx, true())
    return {one.line_id: (one.order_fields, one.line_fields) for one in everything}


def conditions():
    chance = random.Random(3)
    bounds = [
        "100",
        "99.9999995",
        "-0.5",
        "1e3",
        "99999999999999999999",
        "2026-01-05",
        "2026-01-05T10:00:00",
        "soon",
    ]
    for place in row_rules.TEXTS:
        for values in (("WEB-17",), ("", "Straße"), ("ACME", "O3", "L4", "CREAM"), ("e1", "WEB%")):
            yield Condition(*place, one_of=values)
            yield Condition(*place, not_in=values)
        for starts in (("WEB",), ("web-",), ("Stra", "é"), ("WEB_",), ("WEB%",), ("O1", "L2", "A")):
            yield Condition(*place, prefix=starts)
            yield Condition(*place, under=starts)
        for there in (True, False):
            yield Condition(*place, present=there)
    for place in (*row_rules.NUMBERS, *row_rules.DAYS):
        for form in ("at_least", "at_most", "above", "below"):
            for bound in bounds:
                yield Condition(*place, **{form: bound})
        for values in (("100", "12.50"), ("1E+2", "soon"), ("-100.0000001",), ("2026-01-05", "2026-1-6")):
            yield Condition(*place, one_of=values)
            yield Condition(*place, not_in=values)
        for there in (True, False):
            yield Condition(*place, present=there)
        for _ in range(20):
            low, high = chance.sample(bounds, 2)
            yield Condition(*place, above=low, at_most=high, not_in=("100",))


def test_the_database_says_what_the_engine_says(rows):
    with rows.store.read() as tx:
        known = fields_of(tx)
        assert len(known) == 42
        counted = 0
        for condition in conditions():
            assert row_rules.why_not_expressible(condition) is None
            (again,) = row_rules.read(row_rules.written(bucket_of(condition)) or "")
            assert again == condition
            query = select(order_lines.c.sf_id).join(orders, orders.c.pk == order_lines.c.order_pk)
            found = set(tx.execute(query.where(row_rules.holds([again], "UTC"))).scalars())
            side = 0 if condition.side == "order" else 1
            wanted = {line for line, fields in known.items() if condition.holds(fields[side])}
            assert found == wanted, condition
            counted += 0 < len(wanted) < len(known)
        assert counted > 60


NEW_YORK = "America/New_York"


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Pacific/Auckland"])
def test_a_moment_is_the_day_that_it_is_in_the_programs_time_zone(scene, zone):
    scene.pull("account", {"id": "ACME"})
    for n in range(40):
        when = datetime(2026, 3, 6, 23, 30, tzinfo=UTC) + timedelta(hours=n * 5)
        dated = {"ordered_on": date(2026, 3, 8)} if n % 9 == 0 else {"ordered_on": None, "ordered_at": when}
        undated = {"ordered_on": None, "active": False}
        scene.pull("order", {"id": f"O{n}", "account_id": "ACME", **(undated if n == 20 else dated)})
        scene.pull("order_line", {"id": f"L{n}", "order_id": f"O{n}", "amount": 1})
    asked = [
        *(
            Condition("order", "ordered_on", **{form: bound})
            for form in ("at_least", "at_most", "above", "below")
            for bound in ("2026-03-08", "2026-03-08T10:00:00", "0001-01-01", "9999-12-31")
        ),
        Condition("order", "ordered_on", above="2026-03-07", below="2026-03-10"),
        Condition("order", "ordered_on", one_of=("2026-03-08", "2026-03-11")),
        Condition("order", "ordered_on", not_in=("2026-03-08",)),
        Condition("order", "ordered_on", present=True),
        Condition("order", "ordered_on", present=False),
    ]
    terms = parse_program(
        f'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\ntime_zone = "{zone}"\n[[tiers]]\nthreshold = "0"\nrate = "1%"\n'
    )
    with scene.store.read() as tx:
        lines = list(evidence.lines_where(tx, true()))
        assert len(lines) == 40
        for condition in asked:
            query = select(order_lines.c.sf_id).join(orders, orders.c.pk == order_lines.c.order_pk)
            found = set(tx.execute(query.where(row_rules.holds([condition], zone))).scalars())
            wanted = {one.line_id for one in lines if condition.holds(one.asked(terms)[2])}
            assert found == wanted, condition


def bucket_of(condition):
    return Bucket("all", Filter((condition,)))


def test_kinds_are_not_asked_what_rows_are(program):
    both = Filter(
        (Condition("order", "number", one_of=("1",)), Condition("order", "status", one_of=("Sent",)))
    )
    kept = row_rules.without(Bucket("all", both)).filter.conditions
    assert [one.field for one in kept] == ["status"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition("order", "number", at_least="100"), "order.number as a range"),
        (Condition("order", "modstamp", one_of=("1",)), "order.modstamp"),
        (Condition("line", "amount", prefix=("1",)), "line.amount"),
        (Condition("order", "ordered_on", prefix=("2026-02",)), "order.ordered_on"),
    ],
)
def test_what_a_database_cannot_be_asked_is_refused_by_name(condition, words):
    assert words in (row_rules.why_not_expressible(condition) or "")


# --- returns on the day of the order that they take back from -----------------------------------

FEBRUARY, MARCH = date(2026, 2, 20), date(2026, 3, 2)


@pytest.fixture(autouse=True)
def by_the_difference(monkeypatch):
    """However many of the few orders changed: never from scratch."""
    monkeypatch.setattr(contributions, "REBUILD_FROM_ONE_IN", 0)


@pytest.fixture
def returning(scene, program):
    """100 sold to Acme in February, 40 of it returned in March."""
    scene.pull("account", {"id": "ACME"})
    scene.pull("order", {"id": "SALE", "account_id": "ACME", "ordered_on": FEBRUARY})
    scene.pull("order_line", {"id": "L1", "order_id": "SALE", "amount": 100})
    back = {"id": "BACK", "account_id": "ACME", "ordered_on": MARCH, "original_order_id": "SALE"}
    scene.pull("order", back)
    scene.pull("order_line", {"id": "L2", "order_id": "BACK", "amount": -40})
    scene.compute(program(settlement=Settlement(returns="original_period")))
    return scene


def test_a_return_counts_in_the_period_of_its_original(returning):
    assert returning.amounts() == {("ACME", "2026-02"): Decimal(60)}
    assert returning.violations() == []


def test_an_original_that_is_dated_anew_takes_its_returns_along(returning):
    returning.pull("order", {"id": "SALE", "account_id": "ACME", "ordered_on": date(2026, 1, 5)})
    assert returning.compute() == 2
    assert returning.amounts() == {("ACME", "2026-01"): Decimal(60)}
    assert returning.violations() == []


def test_a_return_that_comes_before_its_original_waits_on_its_own_day(returning):
    back = {"id": "BACK2", "account_id": "ACME", "ordered_on": MARCH, "original_order_id": "LATER"}
    returning.pull("order", back)
    returning.pull("order_line", {"id": "L3", "order_id": "BACK2", "amount": -7})
    returning.compute()
    assert returning.amounts() == {("ACME", "2026-02"): Decimal(60), ("ACME", "2026-03"): Decimal(-7)}
    returning.pull("order", {"id": "LATER", "account_id": "ACME", "ordered_on": date(2026, 1, 5)})
    returning.compute()
    assert returning.amounts() == {("ACME", "2026-02"): Decimal(60), ("ACME", "2026-01"): Decimal(-7)}
    assert returning.violations() == []


def test_a_deleted_original_still_dates_what_was_taken_back_from_it(returning):
    gone = {"id": "SALE", "account_id": "ACME", "ordered_on": FEBRUARY, "deleted": True}
    returning.pull("order", gone)
    returning.compute()
    assert returning.amounts() == {("ACME", "2026-02"): Decimal(-40)}
    assert returning.violations() == []


def test_an_original_without_a_day_leaves_its_returns_on_their_own(returning):
    """A draft, set back from an activated order: nobody could say when it was."""
    sale = {"id": "SALE", "account_id": "ACME", "ordered_on": None, "active": False}
    returning.pull("order", sale, modstamp=9)
    returning.compute()
    assert returning.amounts() == {("ACME", "2026-03"): Decimal(-40)}
    assert returning.violations() == []


def test_a_return_is_told_another_original(returning):
    returning.pull("order", {"id": "BACK", "account_id": "ACME", "ordered_on": MARCH})
    returning.compute()
    assert returning.amounts() == {("ACME", "2026-02"): Decimal(100), ("ACME", "2026-03"): Decimal(-40)}
    assert returning.violations() == []


def test_only_the_program_that_says_so_dates_returns_by_their_original(returning, program):
    returning.compute(program("own"), program("theirs", settlement=Settlement(returns="original_period")))
    by_program = {(key[0], key[3]): sums[0] for key, sums in returning.totals().items()}
    assert by_program == {
        ("own", "2026-02"): Decimal(100),
        ("own", "2026-03"): Decimal(-40),
        ("theirs", "2026-02"): Decimal(60),
    }
    returning.compute(program("own"), program("theirs"))
    by_program = {(key[0], key[3]): sums[0] for key, sums in returning.totals().items()}
    assert by_program["theirs", "2026-03"] == -40
    assert returning.violations() == []


def test_the_lines_near_a_standing_are_those_that_count_in_its_period(returning):
    with returning.store.read() as tx:
        (row,) = tx.execute(
            select(evidence.contributions.c.member_pk, evidence.contributions.c.period_pk).distinct()
        )
        lines = list(evidence.lines_near(tx, Cell(*row)))
    assert [(line.line_id, line.order_fields["original_order_id"]) for line in lines] == [
        ("L1", None),
        ("L2", "SALE"),
    ]
