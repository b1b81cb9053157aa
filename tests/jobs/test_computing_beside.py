"""A first compute by two processes on a SQLite file: the same standings, events, tasks and records as by one."""

from __future__ import annotations

from datetime import date

import pytest

from jobs import compute_in_two
from jobs.compute import compute
from jobs.refusals import TooSurprising
from jobs.rehearsal import rehearse
from jobs.second_process import SecondProcess
from tests.jobs.test_computing_by_shares import seen, write_programs
from tests.jobs.test_every_kind_of_program import Sales, furnish

pytestmark = pytest.mark.parametrize("make_shop", ["sqlite"], indirect=True)


@pytest.fixture
def answers(monkeypatch):
    """What the second processes have answered; here every store is large, and every share small."""
    found = []

    class Watched(SecondProcess):
        def answer(self):
            told = super().answer()
            found.append(told[0]["worked"]["standings"])
            return told

        def answered(self):
            return True  # waited for: otherwise this process would be done before the other has begun

    monkeypatch.setattr(compute_in_two, "SecondProcess", Watched)
    monkeypatch.setattr(compute_in_two, "ORDERS_WORTH", 1)
    monkeypatch.setattr(compute_in_two, "WORTH_SHARING", 1)
    monkeypatch.setattr(compute_in_two, "_cores", lambda: 2)
    return found


@pytest.fixture
def two_shops(make_shop):
    """The same world twice."""
    shops = make_shop(), make_shop()
    for shop in shops:
        shop.today(date(2026, 5, 20))
        write_programs(shop)
        furnish(shop, currencies=False)
        Sales(7, currencies=False).into(shop)
    return shops


def alone(shop, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(compute_in_two, "_cores", lambda: 1)
        return shop.sync()


@pytest.mark.parametrize("settling", [False, True], ids=["open", "settled"])
def test_what_two_processes_compute_is_what_one_computes(two_shops, answers, monkeypatch, settling):
    one, two = two_shops
    for shop in two_shops:
        shop.today(date(2026, 7, 20))
        if settling:
            shop.settings["payouts.settle_from"] = "2026-01-01"
    expected, found = alone(one, monkeypatch), two.sync()
    assert sum(answers) > 50, "the second process did nothing"
    mine, theirs = seen(one), seen(two)
    for name in mine:
        assert theirs[name] == mine[name], name
    assert found.standings == expected.standings > sum(answers), "nothing was left for the first process"
    assert (found.changed, found.incomplete, found.events) == (
        expected.changed,
        expected.incomplete,
        expected.events,
    )
    assert found.programs_changed == expected.programs_changed
    assert mine["postings"] or not settling
    assert not two.broken_promises()


def test_what_the_second_process_does_not_answer_is_computed_by_the_first(
    two_shops, answers, monkeypatch, capfd
):
    one, two = two_shops
    started = compute_in_two._started

    def killed(app):
        second = started(app)
        second._process.kill()
        return second

    monkeypatch.setattr(compute_in_two, "_started", killed)
    alone(one, monkeypatch)
    two.sync()
    assert answers == []
    assert seen(two) == seen(one)
    assert "compute.alone" in "".join(capfd.readouterr())


def test_an_error_in_the_second_process_is_no_error_of_the_compute(two_shops, answers, monkeypatch):
    one, two = two_shops
    monkeypatch.setattr(
        compute_in_two,
        "_started",
        lambda app: SecondProcess(
            "jobs.compute_in_two:answering", (app.configuration, None, None, "/nowhere/rebates.db")
        ),
    )
    alone(one, monkeypatch)
    two.sync()
    assert seen(two) == seen(one)


def test_only_the_first_compute_is_shared_and_no_dry_run(two_shops, answers):
    shop, _ = two_shops
    with rehearse(shop.opened):
        compute(shop.opened, 1)
    assert not answers
    shop.sync()
    first = len(answers)
    assert first
    shop.today(date(2026, 5, 21))
    shop.sync()
    assert len(answers) == first


def test_the_fuses_count_what_both_processes_do_and_nothing_of_it_is_saved(two_shops, answers, monkeypatch):
    one, two = two_shops
    for shop in two_shops:
        shop.today(date(2026, 6, 27))
    alone(one, monkeypatch)
    assert seen(one)["tasks"], "there is nothing for the fuse to count"
    two.settings["alerts.max_tasks"] = len(seen(one)["tasks"]) - 1
    with pytest.raises(TooSurprising):
        two.sync()
    assert answers
    for name in ("standings", "events", "tasks", "postings", "outbox"):
        assert not seen(two)[name], name
    two.settings["alerts.max_tasks"] += 1
    two.sync()
    assert {name: seen(two)[name] for name in seen(two) if name != "meta"} == {
        name: seen(one)[name] for name in seen(one) if name != "meta"
    }


def test_a_first_process_that_dies_in_between_has_saved_no_standing_and_the_next_run_computes_them(
    two_shops, answers, monkeypatch
):
    one, two = two_shops

    def dies(*_, **__):
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("jobs.compute.plan", dies)
        with pytest.raises(KeyError):
            two.sync()
    assert answers
    assert not seen(two)["standings"]
    assert seen(two)["waiting"], "what waits was forgotten"
    alone(one, monkeypatch)
    two.sync()
    assert seen(two) == seen(one)
    assert not two.broken_promises()
