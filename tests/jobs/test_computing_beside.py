"""A first compute by two processes on a SQLite file: the same standings, events, tasks and records as by one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from jobs import compute_in_two
from jobs.compute import compute
from jobs.refusals import TooSurprising
from jobs.rehearsal import rehearse
from jobs.second_process import SecondProcess
from tests.jobs.test_computing_by_shares import seen, write_programs
from tests.jobs.test_every_kind_of_program import Sales, furnish

NEAR_THE_END = date(2026, 6, 27)  # of a quarter: people are told to call

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
def shop(make_shop):
    """A world in which nothing was computed yet."""
    return furnished(make_shop)


def furnished(make_shop):
    shop = make_shop()
    shop.today(NEAR_THE_END)
    write_programs(shop)
    furnish(shop, currencies=False)
    Sales(7, currencies=False).into(shop)
    return shop


@pytest.fixture(scope="module")
def computed_alone():
    """What one process computes, by (day, whether payouts are settled): (what came of it, what is seen of it)."""
    return {}


@pytest.fixture
def alone(make_shop, monkeypatch, computed_alone):
    """`alone(day, settling=True)`: the same world, computed by one process, as above; once for all tests."""

    def compute_alone(day=NEAR_THE_END, *, settling=False):
        if (day, settling) not in computed_alone:
            shop = furnished(make_shop)
            shop.today(day)
            if settling:
                shop.settings["payouts.settle_from"] = "2026-01-01"
            with monkeypatch.context() as patch:
                patch.setattr(compute_in_two, "_cores", lambda: 1)
                computed_alone[day, settling] = shop.sync(), seen(shop)
        return computed_alone[day, settling]

    return compute_alone


@pytest.mark.parametrize("settling", [False, True], ids=["open", "settled"])
def test_what_two_processes_compute_is_what_one_computes(shop, alone, answers, settling):
    shop.today(date(2026, 7, 20))
    if settling:
        shop.settings["payouts.settle_from"] = "2026-01-01"
    expected, mine = alone(date(2026, 7, 20), settling=settling)
    found = shop.sync()
    assert sum(answers) > 50, "the second process did nothing"
    theirs = seen(shop)
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
    assert not shop.broken_promises()


def test_what_the_second_process_does_not_answer_is_computed_by_the_first(
    shop, alone, answers, monkeypatch, capfd
):
    started = compute_in_two._started

    def killed(app):
        second = started(app)
        second._process.kill()
        return second

    monkeypatch.setattr(compute_in_two, "_started", killed)
    _, expected = alone()
    shop.sync()
    assert answers == []
    assert seen(shop) == expected
    assert "compute.alone" in "".join(capfd.readouterr())


def test_an_error_in_the_second_process_is_no_error_of_the_compute(shop, alone, answers, monkeypatch):
    monkeypatch.setattr(
        compute_in_two,
        "_started",
        lambda app: SecondProcess(
            "jobs.compute_in_two:answering", (app.configuration, None, None, "/nowhere/rebates.db")
        ),
    )
    _, expected = alone()
    shop.sync()
    assert seen(shop) == expected


def test_only_the_first_compute_is_shared_and_no_dry_run(shop, answers):
    with rehearse(shop.opened):
        compute(shop.opened, 1)
    assert not answers
    shop.sync()
    first = len(answers)
    assert first
    shop.today(NEAR_THE_END + timedelta(days=1))
    shop.sync()
    assert len(answers) == first


def test_the_fuses_count_what_both_processes_do_and_nothing_of_it_is_saved(shop, alone, answers):
    _, expected = alone()
    assert expected["tasks"], "there is nothing for the fuse to count"
    shop.settings["alerts.max_tasks"] = len(expected["tasks"]) - 1
    with pytest.raises(TooSurprising):
        shop.sync()
    assert answers
    for name in ("standings", "events", "tasks", "postings", "outbox"):
        assert not seen(shop)[name], name
    shop.settings["alerts.max_tasks"] += 1
    shop.sync()
    found = seen(shop)
    assert {name: found[name] for name in found if name != "meta"} == {
        name: expected[name] for name in expected if name != "meta"
    }


def test_a_first_process_that_dies_in_between_has_saved_no_standing_and_the_next_run_computes_them(
    shop, alone, answers, monkeypatch
):
    def dies(*_, **__):
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("jobs.compute.plan", dies)
        with pytest.raises(KeyError):
            shop.sync()
    assert answers
    assert not seen(shop)["standings"]
    assert seen(shop)["waiting"], "what waits was forgotten"
    _, expected = alone()
    shop.sync()
    assert seen(shop) == expected
    assert not shop.broken_promises()
