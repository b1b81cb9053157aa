"""Changed orders move totals by the difference: always what computing from scratch would give."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, insert, select

from rebates.calendars import Cut
from rebates.conditions import Condition, Filter
from rebates.hierarchy import Belongs, Hierarchy
from rebates.settle import Settlement
from state import chains, contributions, difference, dirty, evidence, judging, rules, standings, totals
from state.errors import AmountsTooLarge
from state.tables.facts import order_lines
from state.tables.programs import program_versions
from state.tables.programs import programs as program_table
from state.tables.work import contributions as contribution_table
from state.tables.work import dirty_orders, dirty_programs

JUNE = date(2026, 6, 3)
JULY = date(2026, 7, 3)


def only(side, field, *values):
    return Filter((Condition(side, field, one_of=values),))


@pytest.fixture
def shop(scene, program):
    """Acme (a reseller in the West) with two orders in June: 100 and 50 of skin care."""
    scene.pull(
        "account", {"id": "ACME", "type": "Reseller", "region": "West"}, {"id": "BETA", "type": "Reseller"}
    )
    scene.pull("product", {"id": "CREAM", "family": "Skin care"}, {"id": "GEL", "family": "Hair care"})
    scene.pull(
        "order",
        {"id": "O1", "account_id": "ACME", "ordered_on": JUNE, "status": "Activated"},
        {"id": "O2", "account_id": "ACME", "ordered_on": JUNE, "status": "Activated"},
    )
    scene.pull(
        "order_line",
        {"id": "L1", "order_id": "O1", "product_id": "CREAM", "amount": 100, "quantity": 10},
        {"id": "L2", "order_id": "O2", "product_id": "CREAM", "amount": 50, "quantity": 5},
    )
    scene.compute(program())
    assert scene.amounts() == {("ACME", "2026-06"): Decimal(150)}
    return scene


def test_a_corrected_line_moves_its_total(shop):
    shop.pull(
        "order_line",
        {"id": "L1", "order_id": "O1", "product_id": "CREAM", "amount": "99.999999", "quantity": 10},
    )
    assert shop.compute() == 1
    assert shop.amounts() == {("ACME", "2026-06"): Decimal("149.999999")}


def test_a_deleted_line_takes_its_amount_with_it(shop):
    shop.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 100, "deleted": True})
    shop.compute()
    assert shop.totals() == {("retail", "all", "ACME", "2026-06", ""): (Decimal(50), Decimal(5), 1)}


def test_a_return_is_a_negative_line(shop):
    shop.pull(
        "order_line", {"id": "L3", "order_id": "O1", "product_id": "CREAM", "amount": -30, "quantity": -3}
    )
    shop.compute()
    assert shop.totals() == {("retail", "all", "ACME", "2026-06", ""): (Decimal(120), Decimal(12), 3)}


def test_when_the_last_line_goes_the_cell_goes_and_is_computed_again(shop):
    shop.pull(
        "order_line",
        {"id": "L1", "order_id": "O1", "amount": 100, "deleted": True},
        {"id": "L2", "order_id": "O2", "amount": 50, "deleted": True},
    )
    assert shop.compute() == 1
    assert shop.totals() == {}
    with shop.store.read() as tx:
        assert len(totals.waiting_cells(tx)) == 1


@pytest.mark.parametrize("change", [{"active": False}, {"deleted": True}])
def test_a_cancelled_or_deleted_order_contributes_nothing_and_comes_back(shop, change):
    order = {"id": "O1", "account_id": "ACME", "ordered_on": JUNE, "status": "Activated"}
    shop.pull("order", order | change)
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(50)}
    shop.pull("order", order)
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_a_redated_order_leaves_one_period_and_enters_the_other(shop):
    shop.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": JULY, "status": "Activated"})
    assert shop.compute() == 2
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(50), ("ACME", "2026-07"): Decimal(100)}


def test_an_order_moved_to_another_account_counts_there(shop):
    shop.pull("order", {"id": "O1", "account_id": "BETA", "ordered_on": JUNE, "status": "Activated"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(50), ("BETA", "2026-06"): Decimal(100)}


def test_orders_outside_the_program_count_nowhere(shop):
    shop.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": date(2027, 1, 1)})
    shop.pull("order", {"id": "O2", "account_id": "ACME", "ordered_on": date(2025, 12, 31)})
    shop.compute()
    assert shop.amounts() == {}


def test_the_first_and_the_last_day_of_a_period_count(shop):
    shop.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": date(2026, 6, 1)})
    shop.pull("order", {"id": "O2", "account_id": "ACME", "ordered_on": date(2026, 6, 30)})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_an_instant_is_cut_into_days_where_the_program_lives(scene, program):
    scene.pull("account", {"id": "ACME"})
    at = datetime(2026, 4, 1, 3, 59, 59, tzinfo=UTC)  # still March in New York
    scene.pull("order", {"id": "O1", "account_id": "ACME", "ordered_at": at})
    scene.pull("order", {"id": "O2", "account_id": "ACME", "ordered_at": at + timedelta(seconds=1)})
    scene.pull(
        "order_line", {"id": "L1", "order_id": "O1", "amount": 1}, {"id": "L2", "order_id": "O2", "amount": 2}
    )
    scene.compute(program(time_zone="America/New_York"))
    assert scene.amounts() == {("ACME", "2026-03"): Decimal(1), ("ACME", "2026-04"): Decimal(2)}
    scene.compute(program(time_zone="UTC"))
    assert scene.amounts() == {("ACME", "2026-04"): Decimal(3)}


def test_an_account_that_becomes_a_member_brings_its_orders(shop, program):
    shop.compute(program(members=only("account", "type", "Reseller")))
    shop.pull("account", {"id": "ACME", "type": "Customer"})
    shop.compute()
    assert shop.amounts() == {}
    shop.pull("account", {"id": "ACME", "type": "Reseller"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_members_can_be_chosen_by_a_mapped_attribute(shop, program):
    shop.compute(program(members=only("account", "level", "gold")))
    assert shop.amounts() == {}
    shop.pull("account", {"id": "ACME", "attributes": {"level": "gold"}})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_a_product_that_changes_family_changes_what_counts(shop, program):
    shop.compute(program(counts=only("product", "family", "Skin care")))
    shop.pull("order_line", {"id": "L3", "order_id": "O1", "product_id": "GEL", "amount": 7})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}
    shop.pull("product", {"id": "GEL", "family": "Skin care"}, {"id": "CREAM", "family": "Hair care"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(7)}


def test_a_line_of_an_unknown_product_counts_once_the_product_arrives(shop, program):
    shop.compute(program(counts=only("product", "family", "Skin care")))
    shop.pull("order_line", {"id": "L3", "order_id": "O1", "product_id": "NEW", "amount": 7})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}
    shop.pull("product", {"id": "NEW", "family": "Skin care"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(157)}


def test_a_line_without_a_product_counts_where_products_do_not_matter(shop, program):
    shop.pull("order_line", {"id": "L3", "order_id": "O1", "amount": 7})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(157)}
    shop.compute(program(counts=only("product", "family", "Skin care")))
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_orders_are_filtered_by_status_and_lines_by_attribute(shop, program):
    both = Filter(
        (Condition("order", "status", one_of=("Shipped",)), Condition("line", "promo", present=False))
    )
    shop.compute(program(counts=both))
    assert shop.amounts() == {}
    shop.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": JUNE, "status": "Shipped"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(100)}
    shop.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 100, "attributes": {"promo": "x"}})
    shop.compute()
    assert shop.amounts() == {}


def test_lines_count_by_the_buying_account_where_a_program_says_so(shop, program):
    shop.compute(program(counts=only("account", "region", "East")))
    assert shop.amounts() == {}
    shop.pull("account", {"id": "ACME", "type": "Reseller", "region": "East"})
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_orders_roll_up_to_the_parent_and_follow_it(shop, program):
    shop.pull("account", {"id": "HQ", "type": "Group"}, {"id": "ACME", "parent_id": "HQ"})
    shop.compute(program(members=only("account", "type", "Group"), hierarchy=Hierarchy(roll_up="parent")))
    assert shop.amounts() == {("HQ", "2026-06"): Decimal(150)}
    shop.pull("account", {"id": "TOP", "type": "Group"}, {"id": "HQ", "type": "Branch", "parent_id": "TOP"})
    shop.compute()
    assert shop.amounts() == {("TOP", "2026-06"): Decimal(150)}
    shop.pull("account", {"id": "ACME", "parent_id": None})
    shop.compute()
    assert shop.amounts() == {}


def test_parents_in_a_circle_are_reported_and_pay_nobody(shop, program):
    shop.pull("account", {"id": "ACME", "parent_id": "BETA"}, {"id": "BETA", "parent_id": "ACME"})
    terms = program(members=only("account", "type", "Group"), hierarchy=Hierarchy(roll_up="parent"))
    with shop.store.transaction() as tx:
        problems = rules.install_programs(tx, [terms], datetime(2026, 6, 1, tzinfo=UTC)).problems
    assert any("circle" in problem for problem in problems)


def test_a_buying_group_counts_only_while_the_account_belongs_to_it(shop, program):
    group = Hierarchy(
        roll_up="group",
        groups=(Belongs("ACME", "Union", last=date(2026, 6, 3)),),
        payees={"Union": "BETA"},
    )
    shop.pull(
        "order", {"id": "O2", "account_id": "ACME", "ordered_on": date(2026, 6, 4), "status": "Activated"}
    )
    shop.compute(program(hierarchy=group))
    assert shop.amounts() == {("BETA", "2026-06"): Decimal(100)}


def test_orders_of_a_merged_account_count_for_the_winner(shop):
    """Salesforce moves the orders too; until they are pulled again they must not be lost."""
    shop.pull("account", {"id": "ACME", "master_id": "BETA", "deleted": True})
    shop.compute()
    assert shop.amounts() == {("BETA", "2026-06"): Decimal(150)}


def test_a_deleted_account_is_no_member(shop):
    shop.pull("account", {"id": "ACME", "type": "Reseller", "deleted": True})
    shop.compute()
    assert shop.amounts() == {}


def test_a_changed_program_is_a_new_version_and_only_it_is_rebuilt(shop, program):
    other = program("other", cut=Cut("quarter"))
    shop.compute(program(), other)
    narrower = program(counts=only("product", "family", "Hair care"))
    with shop.store.transaction() as tx:
        installed = rules.install_programs(tx, [narrower, other], datetime(2026, 6, 2, tzinfo=UTC))
        assert (installed.changed, installed.unchanged) == (("retail",), ("other",))
        assert dirty.count(tx, dirty_programs) == 1
    shop.compute(narrower, other)
    assert {key[0] for key in shop.totals()} == {"other"}
    with shop.store.read() as tx:
        versions = tx.execute(
            select(program_versions.c.version)
            .join(program_table, program_table.c.pk == program_versions.c.program_pk)
            .where(program_table.c.key == "retail")
        )
        assert sorted(versions.scalars()) == [1, 2]


def test_the_same_terms_written_differently_are_the_same_version(shop, program):
    shop.compute(program())
    with shop.store.transaction() as tx:
        again = rules.install_programs(tx, [program()], datetime(2026, 6, 2, tzinfo=UTC))
    assert again.unchanged == ("retail",)


def test_a_retired_program_stops_counting_and_can_return(shop, program):
    other = program("other")
    shop.compute(other)
    assert {key[0] for key in shop.totals()} == {"other"}
    shop.compute(other, program())
    assert {key[0] for key in shop.totals()} == {"other", "retail"}


def test_other_currencies_are_summed_apart_and_converted_by_the_rate_of_the_day(shop):
    shop.pull(
        "currency_rate", {"currency": "USD", "rate": "1", "starts_on": date(2026, 1, 1), "active": True}
    )
    shop.pull(
        "currency_rate", {"currency": "EUR", "rate": "0.8", "starts_on": date(2026, 1, 1), "active": True}
    )
    shop.pull(
        "currency_rate", {"currency": "EUR", "rate": "0.5", "starts_on": date(2026, 6, 10), "active": True}
    )
    shop.pull(
        "order",
        {"id": "E1", "account_id": "BETA", "ordered_on": date(2026, 6, 9), "currency": "EUR"},
        {"id": "E2", "account_id": "BETA", "ordered_on": date(2026, 6, 10), "currency": "EUR"},
        {"id": "X1", "account_id": "BETA", "ordered_on": date(2026, 6, 10), "currency": "XTS"},
    )
    shop.pull(
        "order_line",
        {"id": "E1L", "order_id": "E1", "amount": 80},
        {"id": "E2L", "order_id": "E2", "amount": 80},
        {"id": "X1L", "order_id": "X1", "amount": 99},
    )
    shop.compute()
    assert shop.totals()["retail", "all", "BETA", "2026-06", "EUR"][0] == 160

    def beta():
        with shop.store.read() as tx:
            (found,) = [
                t
                for t in totals.load_totals(tx, totals.waiting_cells(tx), shop.programs)
                if t.member_id == "BETA"
            ]
            return found

    assert beta().totals["all"].amount == 260  # 80 / 0.8 + 80 / 0.5
    assert beta().totals["all"].lines == 3
    assert beta().missing == ("no rate for XTS on 0001-01-01",) or "XTS" in beta().missing[0]
    with shop.store.transaction() as tx:
        standings.clear(tx, totals.waiting_cells(tx))
    shop.pull(
        "currency_rate", {"currency": "EUR", "rate": "0.4", "starts_on": date(2026, 6, 10), "active": True}
    )
    shop.compute()
    assert beta().totals["all"].amount == 300  # a corrected rate: the same totals, another standing


def test_more_dirty_orders_than_pay_off_are_computed_from_scratch(shop):
    with shop.store.transaction() as tx:
        contributions.rebuild(tx)
        assert contributions.rebuild(tx) == 0  # the same again: nothing changed
    shop.pull(
        "order_line", {"id": "L1", "order_id": "O1", "amount": 1}, {"id": "L2", "order_id": "O2", "amount": 2}
    )
    assert shop.compute() == 1
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(3)}
    with shop.store.read() as tx:
        assert dirty.count(tx, dirty_orders) == 0


def test_computing_without_judging_first_is_refused(shop):
    shop.pull("account", {"id": "NEW"})
    with pytest.raises(RuntimeError, match="install_programs"), shop.store.transaction() as tx:
        contributions.recompute_dirty(tx)


def test_a_sum_that_does_not_fit_is_an_error_and_saves_nothing(shop):
    most = 9_000_000_000_000
    shop.pull("order_line", *({"id": f"M{n}", "order_id": "O1", "amount": most} for n in range(2)))
    with pytest.raises(AmountsTooLarge, match="more than the store can hold"):
        shop.compute()
    assert shop.amounts() == {("ACME", "2026-06"): Decimal(150)}


def test_a_filter_that_a_database_cannot_be_asked_is_refused(shop, program):
    with pytest.raises(judging.NotExpressible, match=r"order\.number"):
        shop.compute(program(counts=Filter((Condition("order", "number", at_least="17"),))))


def test_every_number_names_its_orders_and_lines(shop):
    shop.pull("order_line", {"id": "L3", "order_id": "O1", "product_id": "GEL", "amount": 7, "deleted": True})
    shop.compute()
    with shop.store.read() as tx:
        (cell,) = totals.waiting_cells(tx)
        traced = evidence.contributions_of(tx, cell)
        assert [(c.order_id, c.amount, c.lines, c.bucket) for c in traced] == [
            ("O1", 100, 1, "all"),
            ("O2", 50, 1, "all"),
        ]
        lines = list(evidence.lines_near(tx, cell))
    assert [(line.line_id, line.amount, line.deleted) for line in lines] == [
        ("L1", 100, False),
        ("L3", 7, True),
        ("L2", 50, False),
    ]
    assert lines[1].product_fields["family"] == "Hair care"
    assert lines[0].account_fields["region"] == "West"
    assert lines[0].order_fields["status"] == "Activated"


def test_a_late_order_reaches_the_later_standings_of_a_year_to_date_window(shop, program):
    terms = program(settlement=Settlement(window="program"))
    shop.pull("order", {"id": "O2", "account_id": "ACME", "ordered_on": JULY, "status": "Activated"})
    shop.compute(terms)
    with shop.store.transaction() as tx:
        cells = totals.waiting_cells(tx)
        assert [t.totals["all"].amount for t in totals.load_totals(tx, cells, [terms])] == [100, 150]
        standings.clear(tx, cells)
    shop.pull("order_line", {"id": "L1", "order_id": "O1", "product_id": "CREAM", "amount": 1})
    assert shop.compute() == 1
    with shop.store.transaction() as tx:
        chains.widen(tx, 1)
        loaded = totals.load_totals(tx, totals.waiting_cells(tx), [terms])
        assert [(t.period.key, t.totals["all"].amount) for t in loaded] == [("2026-06", 1), ("2026-07", 51)]


def test_damage_is_found(shop):
    assert shop.violations() == []
    with shop.store.transaction() as tx:
        tx.execute(contribution_table.update().values(amount_e6=contribution_table.c.amount_e6 + 1))
    names = {violation.name for violation in shop.violations()}
    assert "a total is not the sum of its contributions (E2)" in names
    assert "a contribution differs from its order lines (E2)" in names
    with shop.store.transaction() as tx:
        tx.execute(
            insert(order_lines).values(
                order_pk=999,
                sf_id="LOST",
                product_pk=0,
                kind_pk=1,
                quantity_e6=0,
                amount_e6=0,
                deleted=False,
                modstamp=1,
            )
        )
    assert "order_lines.order_pk leads nowhere" in {violation.name for violation in shop.violations()}


def test_one_set_of_statements_serves_all_programs(shop, program):
    """What a changed order costs does not grow with the number of programs."""

    def statements() -> int:
        shop.pull("order_line", {"id": "L1", "order_id": "O1", "product_id": "CREAM", "amount": shop.stamp})
        seen = []

        def note(_connection, _cursor, statement, *_more):
            seen.append(statement)

        event.listen(shop.store.engine, "before_cursor_execute", note)
        with shop.store.transaction() as tx:
            assert contributions.recompute_dirty(tx) == len(shop.programs)
        event.remove(shop.store.engine, "before_cursor_execute", note)
        return len(seen)

    one = statements()
    shop.compute(program(), *(program(f"more{n}") for n in range(9)))
    assert statements() == one
    assert one <= 22


def test_a_few_dirty_orders_are_where_the_statement_begins(shop):
    """PostgreSQL would spend more on choosing an order of eight tables than on the look-ups: it keeps the written one."""
    scene = shop
    scene.pull(
        "order_line", {"id": "L1", "order_id": "O1", "product_id": "CREAM", "amount": 70, "quantity": 1}
    )
    said: list[str] = []
    with scene.store.transaction() as tx:
        event.listen(tx, "before_cursor_execute", lambda *given: said.append(given[2]))
        difference.recompute_orders(tx)
        (counting,) = [text for text in said if text.startswith("INSERT INTO contributions")]
        if tx.dialect.name == "postgresql":
            assert "FROM dirty_orders JOIN orders ON" in counting
            assert "join_collapse_limit = 1" in said[said.index(counting) - 1]
            assert tx.exec_driver_sql("SHOW join_collapse_limit").scalar_one() == "8", "only for this one"
        else:
            assert "IN (SELECT dirty_orders.order_pk" in counting
