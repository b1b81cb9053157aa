"""What was settled keeps its days and its currency: a file that says otherwise is refused, and nothing is paid twice."""

from __future__ import annotations

from datetime import date

import pytest

from jobs import payouts as work
from jobs import periods
from jobs.program_check import check_files
from jobs.refusals import Unusable
from jobs.status import status
from jobs.store_facts import diff_store, facts_of_store
from jobs.whole_plan import compare_everything
from rebates import parse_program
from state import outbox

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "USD"
[[tiers]]
threshold = "100"
rate = "10%"
"""
BESIDE = PROGRAM.replace('"care"', '"beside"')
PROMOTION = PROGRAM.replace('"month"', '"program"').replace("2026-12-31", "2026-06-30")
MAY = date(2026, 5, 20)


@pytest.fixture
def settle(shop):
    """May is settled on the 2nd of June under a program and another one beside it: Acme bought for 600."""

    def go(text=PROGRAM, then=date(2026, 6, 2)):
        shop.today(date(2026, 5, 21))
        shop.program(text)
        shop.program(BESIDE, "beside")
        shop.account("Acme")
        shop.order("1", "Acme", MAY, {"amount": 600})
        shop.sync()
        shop.today(then)
        shop.sync()
        return shop

    return go


def paid(shop, program="care"):
    return [
        (one.due.period, one.due.number, int(one.due.amount))
        for one in work.listed(shop.opened, program=program)
    ]


def reason(done):
    (refused,) = done.refused
    assert refused.key == "care"
    return refused.reason


def goes_on(shop, day):
    """The program beside pays what is bought on a day."""
    before = shop.rebates("beside").get(("Acme", f"{day:%Y-%m}"), 0)
    shop.order(f"on {day}", "Acme", day, {"amount": 1000})
    done = shop.sync()
    assert shop.rebates("beside")["Acme", f"{day:%Y-%m}"] == before + 100
    return done


def test_other_days_under_the_name_of_a_settled_period_are_refused_and_the_others_go_on(settle):
    late = PROGRAM.replace("2026-01-01", "2026-05-15")
    shop = settle(late)
    shop.program(PROGRAM.replace("2026-01-01", "2026-05-01"))
    shop.today(date(2026, 6, 3))
    said = reason(goes_on(shop, date(2026, 6, 3)))
    assert (
        "2026-05 was settled as 2026-05-15 to 2026-05-31, and the file has it as 2026-05-01 to 2026-05-31"
        in said
    )
    assert "a new program with a key of its own" in said
    shop.today(date(2026, 7, 2))
    assert goes_on(shop, date(2026, 7, 1)).refused
    assert paid(shop) == [("2026-05", 1, 60)]
    shop.program(late)
    assert not shop.sync().refused
    assert paid(shop) == [("2026-05", 1, 60), ("2026-06", 1, 100)], "what was missed is made up"
    assert shop.broken_promises() == []


@pytest.mark.parametrize(
    "other", ['period = "quarter"', "starts = 2026-06-01"], ids=["other periods", "it starts later"]
)
def test_what_was_settled_is_listed_although_the_refused_file_lacks_it(settle, other):
    shop = settle()
    name = other.partition(" ")[0]
    shop.program("\n".join(other if line.startswith(f"{name} ") else line for line in PROGRAM.splitlines()))
    shop.sync()
    may = [one for one in periods.listed(shop.opened, program="care") if one.period == "2026-05"]
    assert [(one.state, one.start, one.end, one.waits_for) for one in may] == [
        ("settled", date(2026, 5, 1), date(2026, 6, 1), ())
    ]
    assert may[0].settled_at is not None
    with pytest.raises(Unusable, match="was settled on 2026-06-02"):
        periods.close(shop.opened, "care", "2026-05")
    assert status(shop.opened)["periods"]["settled"] == 2, "that of the program beside, too"


def test_a_promotion_that_was_settled_is_not_prolonged(settle):
    shop = settle(PROMOTION, then=date(2026, 7, 1))
    shop.program(PROMOTION.replace("2026-06-30", "2026-07-31"))
    shop.today(date(2026, 7, 3))
    assert "and the file has it as 2026-01-01 to 2026-07-31" in reason(shop.sync())
    shop.today(date(2026, 8, 1))
    assert goes_on(shop, date(2026, 8, 1)).refused
    assert paid(shop) == [("program", 1, 60)]
    assert paid(shop, "beside") == [("2026-05", 1, 60)]
    assert shop.broken_promises() == []


def test_a_promotion_is_prolonged_before_it_is_settled(settle):
    shop = settle(PROMOTION)
    shop.program(PROMOTION.replace("2026-06-30", "2026-07-31"))
    assert not shop.sync().refused
    shop.today(date(2026, 8, 1))
    assert not shop.sync().refused
    assert paid(shop) == [("program", 1, 60)]


def test_next_year_under_the_key_of_a_settled_year_is_refused(settle):
    shop = settle(PROMOTION, then=date(2026, 7, 1))
    shop.program(PROMOTION.replace("2026", "2027"))
    assert "the file has it as 2027-01-01 to 2027-06-30" in reason(shop.sync())


def test_quarters_do_not_pay_once_more_what_months_have_paid(settle):
    shop = settle()
    shop.program(PROGRAM.replace('"month"', '"quarter"'))
    said = reason(shop.sync())
    assert "2026-05 was settled as 2026-05-01 to 2026-05-31" in said
    assert "the file has 2026-Q2 (2026-04-01 to 2026-06-30) there" in said
    shop.today(date(2026, 7, 2))
    shop.sync()
    assert paid(shop) == [("2026-05", 1, 60)]
    assert status(shop.opened)["programs"]["refused"] == [{"program": "care", "reason": said}]


def test_another_name_for_settled_days_is_refused(settle):
    """After a restore the org's payouts are found by the names of their periods."""
    quarters = PROGRAM.replace('"month"', '"quarter"')
    shop = settle(quarters, then=date(2026, 7, 1))
    shop.program("fiscal_year_starts = 4\n" + quarters)
    assert "2026-Q2 was settled as" in reason(shop.sync())


@pytest.mark.parametrize("ends", ["2027-03-31", "2026-08-31", "2026-06-10", "2026-05-31"])
def test_a_program_may_end_on_any_day_from_the_end_of_what_was_settled(settle, ends):
    shop = settle()
    shop.program(PROGRAM.replace("2026-12-31", ends))
    assert not shop.sync().refused
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.sync()
    assert paid(shop) == [("2026-05", 1, 60), ("2026-05", 2, 10)]
    assert shop.broken_promises() == []


def test_a_program_does_not_end_before_what_was_settled(settle):
    shop = settle()
    shop.program(PROGRAM.replace("2026-12-31", "2026-04-30"))
    assert "the file has no such days: it goes from 2026-01-01 to 2026-04-30" in reason(shop.sync())


def test_a_program_may_begin_earlier_by_whole_periods(settle):
    shop = settle(PROGRAM.replace("2026-01-01", "2026-05-01"))
    shop.program(PROGRAM.replace("2026-01-01", "2026-04-01"))
    assert not shop.sync().refused
    assert paid(shop) == [("2026-05", 1, 60)]


def test_what_was_settled_in_one_currency_is_not_corrected_in_another(settle, shop):
    shop.rate("USD", "1")
    shop.rate("EUR", "0.5")
    settle()
    shop.program(PROGRAM.replace('"USD"', '"EUR"'))
    shop.today(date(2026, 6, 3))
    said = reason(goes_on(shop, date(2026, 6, 3)))
    assert "what was settled is in USD, and the file says EUR; put USD back" in said
    assert "another currency is a new program with a key of its own" in said
    assert paid(shop) == [("2026-05", 1, 60)]
    assert {one.due.currency for one in work.listed(shop.opened)} == {"USD"}
    shop.program(PROGRAM)
    assert not shop.sync().refused
    assert shop.rebates("care")["Acme", "2026-06"] == 100, "what was missed is made up"
    assert paid(shop) == [("2026-05", 1, 60)]
    assert shop.broken_promises() == []


def test_another_currency_goes_on_in_a_new_program(settle):
    shop = settle()
    shop.program(PROGRAM.replace("2026-12-31", "2026-05-31"))
    euros = PROGRAM.replace('"USD"', '"EUR"').replace("2026-01-01", "2026-06-01")
    shop.program(euros.replace('"care"', '"care-eur"'), "new")
    assert not shop.sync().refused
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.sync()
    assert paid(shop) == [("2026-05", 1, 60), ("2026-05", 2, 10)]


@pytest.mark.parametrize(
    ("was", "will_be"),
    [('"month"', '"quarter"'), ("2026-01-01", "2026-05-15"), ('"USD"', '"EUR"')],
)
def test_a_program_that_settled_nothing_may_change_its_days_and_its_currency(shop, was, will_be):
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.sync()
    shop.today(date(2026, 6, 2))
    shop.sync()
    shop.program(PROGRAM.replace(was, will_be))
    assert not shop.sync().refused
    shop.order("1", "Acme", date(2026, 6, 1), {"amount": 600})
    shop.sync()
    assert len(shop.rebates()) == 1
    assert paid(shop) == []


def test_days_that_were_not_settled_yet_go_on_in_a_new_program(settle):
    shop = settle()
    shop.program(PROGRAM.replace("2026-12-31", "2026-05-31"))
    quarters = PROGRAM.replace('"month"', '"quarter"').replace("2026-01-01", "2026-06-01")
    shop.program(quarters.replace('"care"', '"care-by-quarter"'), "new")
    assert not goes_on(shop, date(2026, 6, 20)).refused
    shop.today(date(2026, 7, 2))
    shop.sync()
    assert (paid(shop), paid(shop, "care-by-quarter")) == ([("2026-05", 1, 60)], [("2026-Q2", 1, 100)])
    assert shop.broken_promises() == []


def test_the_org_shows_a_refused_program_by_the_periods_that_were_settled(settle):
    shop = settle()
    known = {row.ext_key for row in sent(shop)}
    shop.program(PROGRAM.replace('"month"', '"quarter"'))
    with shop.opened.store.transaction() as tx:
        compare_everything(tx)  # all that is saved is written again
    assert shop.sync().refused
    assert {row.ext_key for row in sent(shop)} == known


def sent(shop):
    """Standings in the outbox."""
    with shop.opened.store.read() as tx:
        rows = outbox.listed(
            tx, limit=1000, states=("pending", "inflight", "quarantined", "superseded", "done")
        )
    return [row for row in rows if row.object == "Rebate_Standing__c"]


def test_checking_and_comparing_files_against_the_store_says_it_beforehand(settle, tmp_path):
    shop = settle()
    file = tmp_path / "quarters.toml"
    file.write_text(PROGRAM.replace('"month"', '"quarter"'))
    (checked,) = check_files([file], known=facts_of_store(shop.opened))
    (found,) = [one for one, _ in checked.findings if one.code == "not-in-a-sync"]
    assert "2026-05 was settled as 2026-05-01 to 2026-05-31" in found.message
    assert found.suggestion is not None
    assert "a key of its own" in found.suggestion
    (alone,) = check_files([file])
    assert "not-in-a-sync" not in [one.code for one, _ in alone.findings]
    with pytest.raises(Unusable, match="2026-05 was settled as"):
        diff_store(shop.opened, parse_program(PROGRAM), parse_program(file.read_text()))
