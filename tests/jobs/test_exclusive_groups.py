"""Of an exclusive group one program pays, whatever becomes of the others: and what was settled stays as it was settled."""

from __future__ import annotations

import io
from datetime import date
from types import SimpleNamespace

import pytest
from rich.console import Console
from sqlalchemy import event

from cli.standings import show_explanation
from jobs import compute_shards, fuses
from jobs import payouts as work
from jobs.computing import begin
from jobs.engines import engine_of
from jobs.explanation import explain
from state import meta

JUNE = date(2026, 6, 2)
MAY = date(2026, 5, 20)


def program(key, rate, *, group="g", mode="exclusive", more="", tail=""):
    return f"""
key = "{key}"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
{more}
stacking = {{ mode = "{mode}", group = "{group}" }}
[[tiers]]
threshold = "0"
rate = "{rate}%"
{tail}"""


GOLD, BASE = program("gold", 10), program("base", 5)


@pytest.fixture
def store(shop):
    """Acme; programs by name, of which one is removed by giving no text."""
    shop.today(MAY)
    shop.account("Acme")

    def sync(day=None, **files):
        if day is not None:
            shop.today(day)
        for name, text in files.items():
            if text is None:
                (shop.folder / "programs" / f"{name}.toml").unlink()
            else:
                shop.program(text, name)
        return shop.sync()

    shop.go = sync
    return shop


@pytest.fixture
def bought(store):
    """500 in June."""
    store.today(date(2026, 6, 15))
    store.order("1", "Acme", JUNE, {"amount": 500})
    return store


def rebates(shop, period="2026-06"):
    return {key[0]: int(float(doc["rebate"])) for key, doc in shop.standings().items() if key[2] == period}


def paid(shop, key):
    """(period, amount) of everything that was settled, and of what was corrected later."""
    return [(one.due.period, int(one.due.amount)) for one in work.listed(shop.opened, program=key)]


def said(shop, key, period):
    (doc,) = [doc for place, doc in shop.standings(key).items() if place[2] == period]
    return " ".join(step["text"] for step in doc["steps"])


# --- a group that changes -------------------------------------------------------------------


@pytest.fixture
def better_one_wins(bought):
    bought.go(gold=GOLD, base=BASE)
    assert rebates(bought) == {"gold": 50, "base": 0}
    return bought


def test_when_the_better_program_is_removed_the_other_pays(better_one_wins):
    better_one_wins.go(gold=None)
    assert rebates(better_one_wins)["base"] == 25
    assert better_one_wins.broken_promises() == []
    better_one_wins.go(gold=GOLD)
    assert rebates(better_one_wins) == {"gold": 50, "base": 0}, "its file was put back"
    assert better_one_wins.broken_promises() == []


@pytest.mark.parametrize(
    "moved", [program("gold", 10, group="h"), program("gold", 10, mode="parallel")], ids=["group", "mode"]
)
def test_when_the_better_program_leaves_the_group_both_pay(better_one_wins, moved):
    better_one_wins.go(gold=moved)
    assert rebates(better_one_wins) == {"gold": 50, "base": 25}
    better_one_wins.go(gold=GOLD)
    assert rebates(better_one_wins) == {"gold": 50, "base": 0}
    assert better_one_wins.broken_promises() == []


def test_a_group_that_stays_as_it_is_makes_nothing_wait(better_one_wins):
    assert better_one_wins.go().standings == 0


def test_where_no_program_is_exclusive_nothing_is_kept_of_rivals(bought):
    bought.go(gold=program("gold", 10, mode="parallel"))
    asked = []
    event.listen(bought.opened.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with bought.opened.store.read() as tx:
        assert meta.get(tx, "rivals") is None
    assert bought.broken_promises() == []
    assert not [text for text in asked if "exclusive" in text]


# --- what was settled -----------------------------------------------------------------------


@pytest.fixture
def settle(store):
    """What these programs make of 500 that Acme buys in May, on the 2nd of June; grace says which are settled by then."""

    def go(**files):
        store.order("may", "Acme", MAY, {"amount": 500})
        store.go(date(2026, 5, 21), **files)
        store.go(JUNE)
        return store

    return go


def in_grace(key, rate, **terms):
    return program(key, rate, more="grace_days = 10", **terms)


def test_a_better_program_that_comes_later_takes_back_nothing_that_was_settled(settle):
    shop = settle(base=BASE)
    assert paid(shop, "base") == [("2026-05", 25)]
    shop.order("june", "Acme", JUNE, {"amount": 100})
    shop.go(date(2026, 6, 3), gold=GOLD)
    assert rebates(shop, "2026-05") == {"base": 25, "gold": 0}
    assert rebates(shop, "2026-06") == {"base": 0, "gold": 10}
    assert "not paid: base was settled for these days already, and the group g pays once" in said(
        shop, "gold", "2026-05"
    )
    assert paid(shop, "base") == [("2026-05", 25)]
    assert shop.broken_promises() == []


def test_what_was_settled_for_one_is_not_settled_for_a_later_rival_either(settle):
    shop = settle(base=BASE)
    shop.go(date(2026, 6, 3), gold=in_grace("gold", 10))
    shop.go(date(2026, 6, 12))
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.go(date(2026, 6, 13))
    assert (paid(shop, "base"), paid(shop, "gold")) == ([("2026-05", 25), ("2026-05", 5)], [])
    assert shop.broken_promises() == []


def test_a_later_rival_is_paid_once_returns_have_taken_back_what_was_settled(settle):
    """100 of the base rate from 400 on; returns bring May below that."""
    ladder = BASE.replace('threshold = "0"', 'threshold = "400"')
    shop = settle(base=ladder)
    shop.go(date(2026, 6, 3), gold=in_grace("gold", 10))
    assert rebates(shop, "2026-05") == {"base": 25, "gold": 0}
    shop.order("back", "Acme", MAY, {"amount": -200})
    shop.go(date(2026, 6, 4))
    assert rebates(shop, "2026-05") == {"base": 0, "gold": 30}
    assert paid(shop, "base") == [("2026-05", 25), ("2026-05", -25)]
    assert shop.broken_promises() == []
    shop.order("more", "Acme", MAY, {"amount": 200})
    shop.go(date(2026, 6, 5))
    assert rebates(shop, "2026-05") == {"base": 25, "gold": 0}
    assert shop.broken_promises() == []


def test_what_a_removed_program_was_settled_with_is_not_paid_by_the_loser_as_well(settle):
    shop = settle(gold=GOLD, base=BASE)
    assert paid(shop, "gold") == [("2026-05", 50)]
    shop.order("june", "Acme", JUNE, {"amount": 100})
    shop.go(date(2026, 6, 3), gold=None)
    assert rebates(shop, "2026-05")["base"] == 0
    assert rebates(shop, "2026-06")["base"] == 5, "it is alone now"
    shop.go(date(2026, 6, 4), gold=GOLD)
    assert rebates(shop, "2026-05") == {"gold": 50, "base": 0}, "its file was put back"
    assert (paid(shop, "gold"), paid(shop, "base")) == ([("2026-05", 50)], [])
    assert shop.broken_promises() == []


def test_what_a_removed_program_was_settled_with_counts_for_days_that_are_still_open_elsewhere(settle):
    shop = settle(gold=GOLD, base=in_grace("base", 5))
    shop.go(date(2026, 6, 3), gold=None)
    assert rebates(shop, "2026-05")["base"] == 0
    assert "not paid: gold was settled for these days already" in said(shop, "base", "2026-05")
    shop.go(date(2026, 6, 20))
    assert paid(shop, "base") == []
    assert shop.broken_promises() == []


def test_a_removed_program_that_was_settled_with_nothing_stands_in_nobodys_way(settle):
    nothing = GOLD.replace('threshold = "0"', 'threshold = "9000"')
    shop = settle(gold=nothing, base=in_grace("base", 5))
    shop.go(date(2026, 6, 3), gold=None)
    assert rebates(shop, "2026-05")["base"] == 25


def test_a_better_program_that_was_away_takes_back_nothing_that_was_settled_meanwhile(settle):
    shop = settle(gold=in_grace("gold", 10), base=in_grace("base", 5))
    shop.go(date(2026, 6, 3), gold=None)
    shop.go(date(2026, 6, 12))
    assert paid(shop, "base") == [("2026-05", 25)]
    shop.go(date(2026, 6, 13), gold=in_grace("gold", 10))
    shop.go(date(2026, 6, 14))
    assert rebates(shop, "2026-05") == {"gold": 0, "base": 25}
    assert (paid(shop, "gold"), paid(shop, "base")) == ([], [("2026-05", 25)])
    assert shop.broken_promises() == []


@pytest.mark.parametrize("mover", ["gold", "base"])
@pytest.mark.parametrize("terms", [{"group": "h"}, {"mode": "parallel"}], ids=["group", "mode"])
def test_days_that_were_settled_stay_as_they_were_when_a_program_leaves_the_group(settle, mover, terms):
    shop = settle(gold=GOLD, base=BASE)
    shop.order("june", "Acme", JUNE, {"amount": 100})
    shop.go(date(2026, 6, 3), **{mover: program(mover, {"gold": 10, "base": 5}[mover], **terms)})
    assert rebates(shop, "2026-05") == {"gold": 50, "base": 0}
    assert rebates(shop, "2026-06") == {"gold": 10, "base": 5}
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.go(date(2026, 6, 4))
    assert rebates(shop, "2026-05") == {"gold": 60, "base": 0}, "those two still compete for May"
    assert (paid(shop, "gold"), paid(shop, "base")) == ([("2026-05", 50), ("2026-05", 10)], [])
    assert shop.broken_promises() == []


def test_a_program_that_was_settled_and_leaves_the_group_still_competes_for_those_days(settle):
    shop = settle(gold=GOLD, base=in_grace("base", 5))
    shop.go(date(2026, 6, 3), gold=program("gold", 10, mode="parallel"))
    assert rebates(shop, "2026-05") == {"gold": 50, "base": 0}
    shop.go(date(2026, 6, 20))
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.go(date(2026, 6, 21))
    assert (paid(shop, "gold"), paid(shop, "base")) == ([("2026-05", 50), ("2026-05", 10)], [])
    assert shop.broken_promises() == []


def test_programs_that_meet_after_both_were_settled_keep_both_what_they_were_settled_with(settle):
    shop = settle(gold=GOLD, base=program("base", 5, group="h"))
    shop.order("june", "Acme", JUNE, {"amount": 100})
    shop.go(date(2026, 6, 3), base=BASE)
    assert rebates(shop, "2026-05") == {"gold": 50, "base": 25}
    assert rebates(shop, "2026-06") == {"gold": 10, "base": 0}
    assert (paid(shop, "gold"), paid(shop, "base")) == ([("2026-05", 50)], [("2026-05", 25)])
    assert shop.broken_promises() == []


def test_what_was_settled_elsewhere_is_not_carried_into_a_later_payout(settle):
    """May was settled by a program that is removed then: June pays for what was bought in June."""
    shop = settle(gold=GOLD, base=program("base", 5, more='min_payout = "10"\n'))
    shop.order("june", "Acme", JUNE, {"amount": 1000})
    shop.go(date(2026, 6, 3), gold=None)
    shop.go(date(2026, 7, 2))
    assert paid(shop, "base") == [("2026-06", 50)]
    assert shop.broken_promises() == []


def test_a_group_that_shares_is_not_paid_for_what_a_removed_program_settled(shop):
    """The parent's rebate is divided: what was settled for its branches stands against the group."""
    shared = '[hierarchy]\nroll_up = "parent"\npay = "share"\n'
    files = {
        "gold": program("gold", 10, tail=shared),
        "base": program("base", 5, tail=shared, more="grace_days = 10"),
    }
    shop.today(date(2026, 5, 21))
    shop.account("Top")
    for name in ("East", "West"):
        shop.account(name, parent="Top")
        shop.order(name, name, MAY, {"amount": 500})
    for name, text in files.items():
        shop.program(text, name)
    shop.sync()
    shop.today(JUNE)
    shop.sync()
    assert paid(shop, "gold") == [("2026-05", 50), ("2026-05", 50)]
    (shop.folder / "programs" / "gold.toml").unlink()
    shop.sync()
    assert not any(rebate for (_, period), rebate in shop.rebates("base").items() if period == "2026-05")
    assert shop.broken_promises() == []


def test_a_beaten_standing_is_explained_without_a_promise(store):
    store.today(date(2026, 6, 15))
    ladder = '[[tiers]]\nname = "More"\nthreshold = "550"\nrate = "6%"\n'
    store.order("1", "Acme", JUNE, {"amount": 500})
    store.go(gold=GOLD, base=program("base", 5, tail=ladder))
    found = {one.standing.program: one for one in explain(store.opened, "Acme")}
    console = Console(file=io.StringIO(), width=200)
    for one in found.values():
        show_explanation(console, one)
    told = console.file.getvalue()
    assert found["base"].document["rebate_at_next_tier"] is None
    assert "$50 to More" in told
    assert "$50 to More: the rebate would be" not in told


def test_asking_beforehand_what_would_be_corrected_comes_to_an_end_where_rivals_wait_for_it(
    settle, monkeypatch
):
    """What is only asked is not booked: a rival that waits for it makes it wait again, and it is the same correction then."""
    shop = settle(base=BASE)
    shop.go(date(2026, 6, 3), gold=in_grace("gold", 10))
    shop.order("back", "Acme", MAY, {"amount": -200})
    shop.today(date(2026, 6, 4))
    app, now = shop.opened, shop.clock.now()
    shop.read_until(now)
    asked, looks = [], iter(range(20))  # far more than there is to compute
    monkeypatch.setattr(app.pace, "look", lambda: next(looks))
    monkeypatch.setattr(fuses, "FEW_CORRECTIONS", 0)
    monkeypatch.setattr(
        fuses, "require_few_corrections", lambda app, tx, found, by_new_rules: asked.append(found)
    )
    with app.store.transaction() as tx:
        begun = begin(app, tx, now, engine_of(app), scratch=False)
        compute_shards._ask_for_corrections(SimpleNamespace(app=app, pk=1), tx, begun, now, [])
    ((found,),) = [one.values() for one in asked]
    assert [one.amount_e6 for one in found.values()] == [-10_000_000]
