"""Several processes compute one org: the same standings, events, tasks, settlements and records as one alone, to the last digit."""

from __future__ import annotations

import random
import threading
import time
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from jobs import compute_shards
from jobs.app import App
from jobs.compute import compute
from jobs.helping import help_runs
from jobs.refusals import TooSurprising
from jobs.running import running
from tests.jobs.test_every_kind_of_program import BUYERS, HEAD, KINDS, LADDER, Sales, furnish

ALONE = (
    "retrospective", "stepped", "capped", "cap over the program", "minimum payout", "cumulative guarantee", "year to date",
    "markets", "growth on last year", "growth on an average", "families", "parents",
)  # fmt: skip
STEADY = "[[tiers]]\nname = 'Base'\nthreshold = '0'\nrate = '3%'\n"
NEAR = '[alerts.near_tier]\ndays_left = 100\nwithin = "90%"\n'

# What two stores must agree on, whatever the order in which it was written.
SEEN = {
    "standings": "SELECT member_pk, period_pk, document FROM standings",
    "events": "SELECT identity, kind, document FROM events",
    "tasks": "SELECT key, state, document FROM tasks",
    "postings": "SELECT kind, member_pk, period_pk, booked_pk, amount_e6, prior_period_e6, rate_e6, tier FROM postings",
    "outbox": "SELECT kind, object, ext_key, payload FROM outbox WHERE state = 'pending'",
    "waiting": "SELECT member_pk, period_pk FROM dirty_cells",
    "meta": "SELECT key, value FROM meta WHERE key <> 'next_seq'",
}


class Helper:
    """A second process, as a thread with an application of its own."""

    def __init__(self, shop) -> None:
        self.shop, self.stop = shop, threading.Event()
        self.shards = 0

    def build(self) -> App:
        class Clock(type(self.shop.clock)):
            def sleep(self, seconds):
                time.sleep(0.01)

            def monotonic(self):
                return time.monotonic()

        clock = Clock()
        clock.moment = self.shop.clock.now()
        return App.build(self.shop.opened.configuration, clock=clock, rng=random.Random(99))

    def __enter__(self):
        self.thread = threading.Thread(target=help_runs, args=(self.build, self.stop))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def together(shop, *, allow_many_corrections=False):
    """As `shop.sync()`, by a leader who shares with a helper."""
    shop.close()
    shop.runs += 1
    shop.read_until(shop.clock.now())
    app = shop.opened
    app.workers = 2
    app.allow_many_corrections = allow_many_corrections
    app.clock.sleep = lambda seconds: time.sleep(0.01)
    app.clock.monotonic = time.monotonic
    with Helper(shop), running(app, "compute", shop.clock.now() + timedelta(microseconds=shop.runs)) as run:
        return compute(app, run.pk, run)


def seen(shop):
    with shop.opened.store.read() as tx:
        return {name: sorted(map(tuple, tx.execute(text(query)))) for name, query in SEEN.items()}


def write_programs(shop):
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    texts = {}
    for number, kind in enumerate(ALONE):
        period, keys, tables = KINDS[kind]
        texts[f"k{number}"] = (
            keys + HEAD.format(key=f"k{number}", period=period) + tables + (NEAR if number < 2 else "")
        )
    for order, name in enumerate(("steep", "steady")):
        stacking = f'[stacking]\nmode = "exclusive"\ngroup = "g"\norder = {order}\n'
        texts[name] = HEAD.format(key=name, period="quarter") + (LADDER if order else STEADY) + stacking
    own = f'[members]\nids = ["{ids["A4"]}", "{ids["A5"]}"]\n'
    texts["budget"] = 'budget = "700"\n' + HEAD.format(key="budget", period="quarter") + LADDER + own
    for name, program in texts.items():
        for buyer in BUYERS:
            program = program.replace(f"{{{buyer}}}", ids[buyer])
        shop.program(program, name)


pytestmark = [
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.parametrize(
        "make_shop", ["postgresql"], indirect=True
    ),  # SQLite has one writer: nothing is shared
]


@pytest.fixture
def make_furnished(make_shop, monkeypatch):
    """Makes shops with programs, accounts and products, in which every compute is large enough to be shared."""
    monkeypatch.setattr(compute_shards, "WORTH_SHARING", 1)

    def make():
        shop = make_shop()
        shop.today(date(2026, 5, 20))
        write_programs(shop)
        furnish(shop, currencies=False)
        return shop

    return make


@pytest.fixture
def two_shops(make_furnished):
    """The same world twice: one is computed alone, the other by shares."""
    return make_furnished(), make_furnished()


OPEN = (date(2026, 5, 20), date(2026, 6, 28), date(2026, 11, 24))
SETTLED = (date(2026, 5, 20), date(2026, 7, 20), date(2026, 11, 24))


@pytest.mark.parametrize(("settling", "days"), [(False, OPEN), (True, SETTLED)], ids=["open", "settled"])
def test_what_several_compute_is_what_one_computes(two_shops, settling, days):
    alone, shared = two_shops
    for shop in two_shops if settling else ():
        shop.settings["payouts.settle_from"] = "2026-01-01"
    sales = [Sales(7, currencies=False) for _ in two_shops]
    for one, shop in zip(sales, two_shops, strict=True):
        one.into(shop)
    by_shares = 0
    for turn, day in enumerate(days):
        for one, shop in zip(sales, two_shops, strict=True):
            shop.today(day)
            if turn:
                one.into(shop, {one.add(), *(one.change() for _ in range(5))})
        expected, found = alone.sync(), together(shared)
        mine, theirs = seen(alone), seen(shared)
        for name in SEEN:
            assert theirs[name] == mine[name], (turn, name)
        assert (found.standings, found.changed, found.events) == (
            expected.standings,
            expected.changed,
            expected.events,
        )
        by_shares += found.standings
    assert not shared.broken_promises()
    assert by_shares > 500
    assert mine["postings"] or not settling, "nothing was settled: late lines were not tried"
    assert mine["events"], "nothing happened that people are told of"


def test_the_fuses_count_what_all_shares_do_together_and_nothing_is_saved(make_furnished):
    shop = make_furnished()
    Sales(7, currencies=False).into(shop)
    together(shop)
    before = seen(shop)
    shop.today(date(2026, 6, 27))
    shop.settings["alerts.max_tasks"] = 0
    sales = Sales(8, currencies=False)
    sales.into(shop)
    with pytest.raises(TooSurprising):
        together(shop)
    after = seen(shop)
    for name in ("standings", "events", "tasks", "postings", "outbox"):
        assert after[name] == before[name], name
    shop.settings["alerts.max_tasks"] = 500
    together(shop)
    assert len(seen(shop)["tasks"]) > len(before["tasks"])
    assert not shop.broken_promises()


def test_a_leader_that_dies_between_the_shares_and_the_rest_leaves_nothing_out(two_shops, monkeypatch):
    alone, shared = two_shops
    sales = [Sales(7, currencies=False) for _ in two_shops]
    for one, shop in zip(sales, two_shops, strict=True):
        one.into(shop)
        shop.today(date(2026, 6, 27))
    alone.sync()
    together(shared)
    for one, shop in zip(sales, two_shops, strict=True):
        shop.today(date(2026, 6, 28))
        one.into(shop, {one.add() for _ in range(8)})
    alone.sync()

    def dies(*_, **__):
        raise KeyError("killed")

    before = shared.standings()
    monkeypatch.setattr("jobs.compute.plan", dies)
    with pytest.raises(KeyError):
        together(shared)
    monkeypatch.undo()
    assert shared.standings() != before, "no share was saved"
    shared.sync()
    mine, theirs = seen(alone), seen(shared)
    for name in SEEN:
        assert theirs[name] == mine[name], name


def test_too_many_corrections_are_refused_before_any_share_is_saved(make_shop, monkeypatch):
    """A mistyped rate: standings of open periods belong to the shares, what was settled to the leader, who comes last."""
    monkeypatch.setattr(compute_shards, "WORTH_SHARING", 1)
    shop = make_shop()
    shop.settings["payouts.settle_from"] = "2026-01-01"
    text_of = {
        rate: HEAD.format(key="care", period="month") + STEADY.replace("3%", rate) for rate in ("3%", "30%")
    }
    shop.program(text_of["3%"])
    shop.today(date(2026, 6, 12))
    for number in range(25):
        shop.account(f"Old{number}")
        shop.order(f"old {number}", f"Old{number}", date(2026, 6, 10), {"amount": 600})
    for number in range(10):
        shop.account(f"New{number}")
        shop.order(f"new {number}", f"New{number}", date(2026, 7, 1), {"amount": 100})
    together(shop)
    shop.today(date(2026, 7, 20))
    together(shop)
    before = seen(shop)
    assert len(before["postings"]) == 25

    shop.program(text_of["30%"])
    with pytest.raises(TooSurprising, match="correct 25 amounts of care"):
        together(shop)

    after = seen(shop)
    for name in SEEN:
        assert after[name] == before[name], f"{name}: what is refused leaves nothing behind"
    together(shop, allow_many_corrections=True)
    assert len(seen(shop)["postings"]) == 50
    assert not shop.broken_promises()
