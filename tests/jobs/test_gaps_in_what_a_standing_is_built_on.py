"""A record that could not be read makes every standing incomplete whose numbers depend on it, not only its own period's."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from sqlalchemy import event

from jobs import periods
from jobs.explanation import explain
from state import gaps, meta, rejected
from state.rejected import RejectedRow
from tests.jobs.conftest import sf_id

HEAD = """
starts = 2026-01-01
ends = 2026-12-31
period = "month"
grace_days = 5
"""
LADDER = """
[[tiers]]
threshold = "100"
rate = "10%"
"""
YEAR_TO_DATE = f'key = "care"\n{HEAD}{LADDER}[settlement]\nwindow = "year"\n'
QUARTER_TO_DATE = YEAR_TO_DATE.replace('"year"', '"quarter"')
GROWTH = f"""key = "care"\n{HEAD}qualifier = "growth"
[growth]
baseline = "same_period_last_year"
[[tiers]]
threshold = "110%"
rate = "10%"
"""
BUDGET = f'key = "care"\n{HEAD}budget = "50"\n{LADDER}'
CARRYING = {
    "a minimum payout": 'min_payout = "80"',
    "a cap over the program": 'max_payout_program = "70"',
    "a guarantee over all periods": 'guarantee = "20"\nguarantee_cumulative = true',
}
MARCH, APRIL, MAY = date(2026, 3, 20), date(2026, 4, 20), date(2026, 5, 20)
LINE = f"order line {sf_id('802', 'lost')} could not be read: is not a number"


@pytest.fixture
def story(shop):
    """Acme bought for 500 in April and for 600 in May; on the 3rd of June we come."""
    shop.today(date(2026, 6, 3))
    shop.account("Acme")
    shop.order("4", "Acme", APRIL, {"amount": 500})
    shop.order("5", "Acme", MAY, {"amount": 600})
    return shop


def begin(shop, *programs):
    for number, text in enumerate(programs):
        shop.program(text, f"p{number}")
    shop.sync()


def lose(shop, *orders, name="lost"):
    """A line of each order cannot be read."""
    rows = [
        RejectedRow(
            "order_line",
            sf_id("802", name if n == 0 else f"{name}{n}"),
            "amount",
            "is not a number",
            shop.order_id(order),
        )
        for n, order in enumerate(orders)
    ]
    aside(shop, *rows)


def lose_product(shop, name):
    aside(shop, RejectedRow("product", sf_id("01t", name), "family", "has no rule"))


def aside(shop, *rows):
    with shop.opened.store.transaction() as tx:
        rejected.set_aside(tx, rows, now=shop.clock.now())


def lacks(shop, period="2026-05", account="Acme", program="care"):
    """Which order each line is of is looked at in one test: every order has another number."""
    found = shop.standings()[program, account, period]["incomplete"]
    return [re.sub(r"(order line \w+) of order .*? could not", r"\1 could not", said) for said in found]


def waits_for(shop, period="2026-05", program="care"):
    (found,) = [one for one in periods.listed(shop.opened, program=program) if one.period == period]
    return found.waits_for


def settled(shop, account="Acme", period="2026-05", program="care"):
    found = [one for one in explain(shop.opened, account, period=period) if one.standing.program == program]
    return [(one.kind, one.amount) for one in found[0].postings]


def june(shop, day=10):
    shop.today(date(2026, 6, day))
    shop.sync()


def test_what_counts_to_date_lacks_what_an_earlier_month_lacks(story):
    begin(story, YEAR_TO_DATE)
    lose(story, "4")
    june(story)
    assert lacks(story) == [f"an earlier period: {LINE}"]
    assert lacks(story, "2026-06") == [f"an earlier period: {LINE}"]
    assert waits_for(story) == ("1 standing that lacks something",)
    assert settled(story) == []
    story.forget_rejected()
    story.order("4", "Acme", APRIL, {"amount": 500}, {"amount": 100})
    june(story, day=11)
    assert (lacks(story), lacks(story, "2026-06")) == ([], [])
    assert settled(story) == [("settled", 60)]
    assert story.broken_promises() == []


def test_a_new_window_begins_without_what_the_one_before_it_lacks(story):
    story.order("3", "Acme", MARCH, {"amount": 300})
    begin(story, QUARTER_TO_DATE)
    lose(story, "3")
    june(story)
    assert lacks(story, "2026-03") == [LINE]
    assert (lacks(story, "2026-04"), lacks(story)) == ([], [])
    assert settled(story) == [("settled", 60)]


def test_a_new_window_that_takes_something_back_lacks_what_the_one_before_it_lacks(story):
    story.order("2", "Acme", date(2026, 2, 20), {"amount": 900})
    story.order("3", "Acme", MARCH, {"amount": -300, "quantity": -1})
    begin(story, QUARTER_TO_DATE)
    lose(story, "3")
    june(story)
    assert lacks(story, "2026-04") == [f"an earlier period: {LINE}"]


@pytest.mark.parametrize("limit", CARRYING)
def test_what_is_carried_from_month_to_month_lacks_what_an_earlier_month_lacks(story, limit):
    begin(story, f'key = "care"\n{HEAD}{CARRYING[limit]}\n{LADDER}')
    lose(story, "4")
    june(story)
    assert lacks(story) == [f"an earlier period: {LINE}"]
    assert (waits_for(story), settled(story)) == (("1 standing that lacks something",), [])
    story.forget_rejected()
    june(story, day=11)
    assert lacks(story) == []
    assert len(settled(story)) == 1


def test_a_month_before_the_lost_line_lacks_nothing(story):
    begin(story, YEAR_TO_DATE)
    lose(story, "5")
    june(story)
    assert (lacks(story, "2026-04"), lacks(story)) == ([], [LINE])


def test_a_line_that_two_months_lack_is_named_once_and_many_are_counted(story):
    for n in range(9):
        story.order(f"4{n}", "Acme", APRIL, {"amount": 1})
    begin(story, YEAR_TO_DATE)
    lose(story, "5")
    lose(story, *(f"4{n}" for n in range(9)), name="many")
    june(story)
    found = lacks(story)
    assert found[0] == LINE
    assert found[1].startswith("an earlier period: order line 802many")
    assert found[-1] == "an earlier period: and more"
    assert len(found) == 5


def test_what_a_rate_is_missing_for_is_carried_on_too(story):
    story.rate("USD", "1")
    story.order("4e", "Acme", APRIL, {"amount": 100}, currency="EUR")
    begin(story, f'key = "care"\n{HEAD}min_payout = "80"\n{LADDER}')
    june(story)
    (own,) = lacks(story, "2026-04")
    assert lacks(story) == [f"an earlier period: {own}"]
    assert settled(story) == []
    story.rate("EUR", "0.5")
    june(story, day=11)
    assert (lacks(story, "2026-04"), lacks(story)) == ([], [])
    assert len(settled(story)) == 1


def test_growth_lacks_what_its_baseline_lacks(story):
    story.order("5 old", "Acme", date(2025, 5, 5), {"amount": 100})
    begin(story, GROWTH)
    lose(story, "5 old")
    june(story)
    assert lacks(story) == [f"the baseline: {LINE}"]
    assert (waits_for(story), settled(story)) == (("1 standing that lacks something",), [])
    story.forget_rejected()
    story.order("5 old", "Acme", date(2025, 5, 5), {"amount": 100}, {"amount": 500})
    june(story, day=11)
    assert (lacks(story), settled(story)) == ([], [("settled", 0)]), "600 are no growth on 600"
    assert story.broken_promises() == []


def test_a_baseline_that_a_file_gives_lacks_nothing_of_the_past(story):
    story.order("5 old", "Acme", date(2025, 5, 5), {"amount": 100})
    (story.folder / "programs" / "p0.targets.csv").write_text(
        f"account,period,target,baseline\n{story.id_of('Acme')},,,200\n"
    )
    begin(story, GROWTH)
    lose(story, "5 old")
    june(story)
    assert (lacks(story), settled(story)) == ([], [("settled", 60)])


def test_whoever_shares_a_budget_lacks_what_the_others_lack(story):
    story.account("Bell")
    story.order("6", "Bell", MAY, {"amount": 300})
    begin(story, BUDGET)
    lose(story, "6")
    june(story)
    assert lacks(story, account="Bell") == [LINE]
    assert lacks(story) == [f"others of the budget: {LINE}"]
    assert lacks(story, "2026-04") == []
    assert waits_for(story) == ("2 standings that lack something",)
    story.clock.sleep(60)
    periods.close(story.opened, "care", "2026-05", despite_incomplete=True)
    assert (settled(story), settled(story, "Bell")) == ([], []), "what is left of 50 for Acme is not known"
    story.forget_rejected()
    june(story, day=11)
    assert lacks(story) == []
    assert sum(amount for who in ("Acme", "Bell") for _, amount in settled(story, who)) == 50
    assert story.broken_promises() == []


OF_A_FAMILY = '[counts]\nproduct.family = ["Skin care"]\n'


def rivals(own="", rival=""):
    tables = LADDER + '[stacking]\nmode = "exclusive"\ngroup = "deals"\n'
    skin = tables.replace('"10%"', '"30%"')
    return f'key = "care"\n{HEAD}{own}\n{tables}', f'key = "skin"\n{HEAD}{rival}\n{OF_A_FAMILY}{skin}'


def test_who_wins_is_not_known_while_a_rival_lacks_something(story):
    """Only the rival asks what a product is."""
    begin(story, *rivals())
    story.order("5s", "Acme", MAY, {"amount": 400, "product": "Serum"})
    lose_product(story, "Serum")
    june(story)
    product = f"product {sf_id('01t', 'Serum')} could not be read: has no rule"
    assert lacks(story, program="skin") == [product]
    assert lacks(story) == [f"a rival in deals: {product}"]
    assert (waits_for(story), settled(story)) == (("1 standing that lacks something",), [])
    story.product("Serum", family="Skin care")
    june(story, day=11)
    assert lacks(story) == []
    assert settled(story) == [("settled", 0)], "30 % of 400 are more than 10 % of 1,000"
    assert story.broken_promises() == []


def test_what_is_carried_beside_a_rival_lacks_what_the_rival_lacked_before(story):
    begin(story, *rivals(own='min_payout = "10"'))
    story.order("4s", "Acme", APRIL, {"amount": 300, "product": "Serum"})
    lose_product(story, "Serum")
    june(story)
    product = f"product {sf_id('01t', 'Serum')} could not be read: has no rule"
    assert lacks(story, "2026-04") == [f"a rival in deals: {product}"]
    assert lacks(story) == [f"an earlier period: a rival in deals: {product}"]
    assert settled(story) == []


def test_who_is_paid_on_what_another_program_leaves_lacks_what_that_one_lacks(story):
    """The first one is paid by the quarter, so that what it lacks of April is missing in what it leaves of May."""

    def step(key, order):
        return f'key = "{key}"\n{HEAD}{LADDER}[stacking]\nmode = "sequential"\norder = {order}\n'

    begin(story, step("first", 1).replace('"month"', '"quarter"'), step("care", 2))
    lose(story, "4")
    june(story)
    assert lacks(story, "2026-Q2", program="first") == [LINE]
    assert lacks(story, "2026-04") == [LINE]
    assert lacks(story) == [f"a program paid before: {LINE}"]
    assert (waits_for(story), settled(story)) == (("1 standing that lacks something",), [])
    story.forget_rejected()
    june(story, day=11)
    assert (lacks(story), settled(story)) == ([], [("settled", 54)]), "10 % of what 60 leave of 600"


SHARED = f'key = "care"\n{HEAD}{LADDER}[hierarchy]\nroll_up = "parent"\npay = "share"\n'


def family(shop):
    shop.account("Top")
    for name in ("Acme", "Bell"):
        shop.account(name, parent="Top")


def test_everybody_in_a_group_lacks_what_one_of_it_lacks(story):
    family(story)
    story.order("6", "Bell", MAY, {"amount": 300})
    begin(story, SHARED)
    lose(story, "6")
    june(story)
    assert [lacks(story, account=name) for name in ("Top", "Acme", "Bell")] == [[LINE]] * 3
    assert waits_for(story) == ("3 standings that lack something",)
    story.forget_rejected()
    june(story, day=11)
    assert [lacks(story, account=name) for name in ("Top", "Acme", "Bell")] == [[]] * 3
    assert (settled(story), settled(story, "Bell")) == ([("settled", 60)], [("settled", 30)])


def test_a_group_of_which_nothing_could_be_read_lacks_it(shop):
    shop.today(date(2026, 6, 3))
    family(shop)
    begin(shop, SHARED)
    shop.order("6", "Bell", MAY)
    lose(shop, "6")
    june(shop)
    assert lacks(shop, account="Bell") == [LINE]
    assert waits_for(shop) != ()


def test_the_record_that_is_named_is_the_one_that_is_missing_now(story):
    begin(story, YEAR_TO_DATE)
    lose(story, "4")
    june(story)
    story.forget_rejected()
    lose(story, "4", name="other")
    june(story, day=11)
    assert lacks(story) == [f"an earlier period: {LINE}".replace(sf_id("802", "lost"), sf_id("802", "other"))]


def test_a_store_that_knew_only_where_something_is_missing_looks_at_all_of_it_once(story):
    begin(story, YEAR_TO_DATE)
    lose(story, "4")
    june(story)
    with story.opened.store.transaction() as tx:
        known = gaps.find(tx, date(2026, 6, 10), story.opened.programs_in_force_read(tx))
        meta.put(tx, "gaps", json.dumps([list(cell) for cell in known]))
        assert [gaps.mark_changed(tx, known), gaps.mark_changed(tx, known)] == [1, 0]


def test_orders_are_called_by_their_number_as_far_as_they_were_ever_read(story):
    begin(story, f'key = "care"\n{HEAD}{LADDER}')
    aside(
        story,
        RejectedRow("order", story.order_id("5"), "ordered_on", "is empty", story.id_of("Acme")),
        RejectedRow("order", sf_id("801", "never"), "ordered_on", "is empty", story.id_of("Acme")),
        RejectedRow("order_line", sf_id("802", "lost"), "amount", "is not a number", story.order_id("5")),
    )
    story.sync()
    assert set(story.standings()["care", "Acme", "2026-05"]["incomplete"]) == {
        f"order 5 ({story.order_id('5')}) could not be read: is empty",
        f"order line {sf_id('802', 'lost')} of order 5 could not be read: is not a number",
    }
    (never,) = story.standings()["care", "Acme", "2026-06"]["incomplete"]
    assert never == f"order {sf_id('801', 'never')} could not be read: is empty"


def test_a_standing_that_lacks_the_same_as_before_is_not_computed_again(story):
    begin(story, f'key = "care"\n{HEAD}{LADDER}')
    lose(story, "5")
    story.sync()
    assert story.sync().changed == 0


def test_many_records_set_aside_cost_as_many_queries_as_a_few(story):
    begin(story, YEAR_TO_DATE)

    def asked(count):
        said = []
        with story.opened.store.transaction() as tx:
            for n in range(count):
                lost = [
                    RejectedRow(
                        "order_line", sf_id("802", f"l{n}"), "quantity", "is not a number", sf_id("801", "5")
                    ),
                    RejectedRow("order", sf_id("801", f"o{n}"), "", "has no day", sf_id("001", "Acme")),
                ]
                rejected.set_aside(tx, lost, now=story.opened.clock.now())
            event.listen(tx, "before_cursor_execute", lambda *them: said.append(them[2]))
            found = gaps.find(tx, date(2026, 6, 3), story.opened.programs_in_force_read(tx))
        assert len(found) == 2, "of May by the line, and the open one of an order without a day"
        return len(said)

    assert asked(2) == asked(60)
