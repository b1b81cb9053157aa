"""What is settled is settled for ever: never on data that is not whole, never years that were settled elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jobs import periods, settling
from jobs.explanation import explain
from jobs.person import person
from jobs.refusals import Unusable
from jobs.status import status
from state import audit, rejected
from state.rejected import RejectedRow

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
grace_days = 5
[[tiers]]
threshold = "100"
rate = "10%"
"""
APRIL, MAY = date(2026, 4, 20), date(2026, 5, 20)


@pytest.fixture
def story(shop):
    """Acme at 500 in April and 600 in May; on the 3rd of June we come."""
    shop.today(date(2026, 6, 3))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", APRIL, {"amount": 500})
    shop.order("2", "Acme", MAY, {"amount": 600})
    shop.sync()
    return shop


def state(shop, period):
    (found,) = [one for one in periods.listed(shop.opened, program="care") if one.period == period]
    return found


def settled(shop, period="2026-05", *, account="Acme"):
    (found,) = explain(shop.opened, account, period=period)
    return [(one.kind, one.amount) for one in found.postings]


def test_a_first_sync_settles_nothing_of_the_years_before_it(story):
    assert state(story, "2026-04").state == "earlier"
    assert state(story, "2026-05").state == "grace"
    assert state(story, "2026-06").state == "open"
    assert state(story, "2026-07").state == "coming"
    story.today(date(2026, 6, 10))
    story.sync()
    assert (settled(story, "2026-04"), settled(story)) == ([], [("settled", 60)])
    story.order("3", "Acme", APRIL, {"amount": 100})
    story.sync()
    assert settled(story, "2026-04") == [], "what was not settled here is not corrected here"


def test_the_configuration_may_say_from_when_on_we_settle(story):
    story.settings["payouts.settle_from"] = "2026-04-01"
    story.sync()
    assert settled(story, "2026-04") == [("settled", 50)]
    assert state(story, "2026-03").state == "earlier"


def test_a_person_may_settle_an_earlier_period_once(story):
    assert periods.close(story.opened, "care", "2026-04") == 1
    assert settled(story, "2026-04") == [("settled", 50)]
    with story.opened.store.read() as tx:
        deeds = [
            (one.actor, one.object) for one in audit.entries(tx) if one.action == "period closing asked for"
        ]
    assert deeds == [(person(), "care 2026-04")]
    with pytest.raises(Unusable, match="was settled on"):
        periods.close(story.opened, "care", "2026-04")


@pytest.mark.parametrize(
    ("period", "why"),
    [("2026-05", "closes on 2026-06-06"), ("2026-06", "closes on"), ("2026-13", "no period")],
)
def test_a_period_that_still_takes_lines_cannot_be_settled(story, period, why):
    with pytest.raises(Unusable, match=why):
        periods.close(story.opened, "care", period)


def test_a_period_waits_until_every_stream_was_read_past_its_closing(shop):
    shop.today(date(2026, 6, 3))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("2", "Acme", MAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 10))
    closing = datetime(2026, 6, 6, tzinfo=UTC)
    shop.read_until(shop.clock.now(), "account", "product", "order")
    compute(shop)
    assert settled(shop) == []
    assert state(shop, "2026-05").waits_for == ("order_line to be read past 2026-06-06 00:00 UTC",)
    shop.read_until(closing, "order_line")
    compute(shop)
    assert settled(shop) == [("settled", 60)]


def compute(shop):
    """Without a pull before it."""
    from jobs.compute import compute as work

    shop.close()
    return work(shop.opened, 99)


@pytest.mark.parametrize("step", ["pull", "inventory"])
def test_a_period_waits_while_a_stream_stands_still(story, step):
    story.today(date(2026, 6, 10))
    stop = ValueError("anything")
    stop.code = "INVALID_FIELD"
    settling.note_stopped(story.opened, step, {"order_line": stop})
    story.sync()
    assert settled(story) == []
    assert state(story, "2026-05").waits_for == ("order_line stopped: INVALID_FIELD",)
    settling.note_stopped(story.opened, step, {})
    story.sync()
    assert settled(story) == [("settled", 60)]


def set_aside(shop, *rows):
    with shop.opened.store.transaction() as tx:
        rejected.set_aside(tx, rows, now=shop.clock.now())


def test_a_period_waits_for_a_standing_that_lacks_something_unless_a_person_goes_on_without_it(story):
    story.account("Bell")
    story.order("9", "Bell", MAY, {"amount": 300})
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order_line", "802x", "amount", "is not a number", story.order_id("9")))
    story.sync()
    assert settled(story) == []
    assert state(story, "2026-05").waits_for == ("1 standing that lacks something",)
    with pytest.raises(Unusable, match="1 standing that lacks something"):
        periods.close(story.opened, "care", "2026-05")
    story.clock.sleep(60)
    assert periods.close(story.opened, "care", "2026-05", despite_incomplete=True) == 1
    assert settled(story) == [("settled", 60)]
    story.forget_rejected()
    story.sync()
    (found,) = explain(story.opened, "Bell", period="2026-05")
    assert [(one.kind, one.amount) for one in found.postings] == [("adjustment", 30)]
    assert story.broken_promises() == []


def test_who_was_left_out_is_settled_later_also_where_late_lines_are_ignored(story):
    """What Bell bought was not late: it could not be read. What Acme and Bell buy afterwards is."""
    story.program('late_lines = "ignore"\n' + PROGRAM)
    story.account("Bell")
    story.order("9", "Bell", MAY, {"amount": 300})
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order_line", "802x", "amount", "is not a number", story.order_id("9")))
    story.sync()
    story.clock.sleep(60)
    periods.close(story.opened, "care", "2026-05", despite_incomplete=True)
    assert settled(story) == [("settled", 60)]
    story.forget_rejected()
    story.sync()
    assert settled(story, account="Bell") == [("adjustment", 30)]
    for name in ("Acme", "Bell"):
        story.order(f"late {name}", name, MAY, {"amount": 1000})
    story.sync()
    assert settled(story, account="Bell") == [("adjustment", 30)]
    assert settled(story) == [("settled", 60)]
    assert story.broken_promises() == []


def test_a_period_waits_for_an_order_whose_day_nobody_knows(story):
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order", "801unknown", "ordered_on", "is empty"))
    story.sync()
    assert state(story, "2026-05").waits_for == ("1 rejected record that could belong to any period",)


@pytest.mark.parametrize("how", [{"active": False, "status": "Draft"}, {"deleted": True}])
def test_a_line_that_cannot_be_read_holds_nothing_up_on_an_order_that_counts_nowhere(story, how):
    story.order("9", "Acme", MAY, {"amount": 300}, **how)
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order_line", "802x", "amount", "is empty", story.order_id("9")))
    story.sync()
    assert story.standings()["care", "Acme", "2026-05"]["incomplete"] == []
    assert settled(story) == [("settled", 60)]
    assert story.broken_promises() == []


def test_a_line_that_cannot_be_read_is_missing_once_its_draft_is_activated(story):
    story.order("9", "Acme", MAY, {"amount": 300}, active=False, status="Draft")
    set_aside(story, RejectedRow("order_line", "802x", "amount", "is empty", story.order_id("9")))
    story.sync()
    story.order("9", "Acme", MAY)
    story.today(date(2026, 6, 10))
    story.sync()
    (said,) = story.standings()["care", "Acme", "2026-05"]["incomplete"]
    assert said.startswith("order line 802x of order 9 could not be read")
    assert settled(story) == []


def test_an_order_that_was_read_without_a_day_and_cannot_be_read_now_could_be_of_any_period(story):
    story.order("9", "Acme", None, {"amount": 300}, active=False, status="Draft")
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order", story.order_id("9"), "type", "has no rule", story.id_of("Acme")))
    story.sync()
    assert state(story, "2026-05").waits_for == ("1 rejected record that could belong to any period",)


def test_a_period_waits_while_its_program_file_is_not_valid(story):
    story.today(date(2026, 6, 10))
    story.program(PROGRAM.replace("10%", "many"))
    story.sync()
    assert settled(story) == []
    assert state(story, "2026-05").waits_for == ("program.toml to be valid again",)


def test_a_request_that_could_not_be_met_does_not_stay(story):
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order", "801unknown", "ordered_on", "is empty"))
    with pytest.raises(Unusable, match="any period"):
        periods.close(story.opened, "care", "2026-04")
    story.forget_rejected()
    story.sync()
    assert settled(story, "2026-04") == []


def test_status_and_explain_say_what_a_period_waits_for(story):
    story.today(date(2026, 6, 10))
    set_aside(story, RejectedRow("order", "801unknown", "ordered_on", "is empty"))
    story.sync()
    waits = ["1 rejected record that could belong to any period"]
    assert status(story.opened)["periods"]["closing"] == [
        {"program": "care", "period": "2026-05", "waits_for": waits}
    ]
    assert status(story.opened)["periods"]["earlier"] == {"care": 4}
    (found,) = explain(story.opened, "Acme", period="2026-05")
    assert found.as_json()["settlement"]["waits_for"] == waits
    assert found.settled is None


def test_status_names_programs_that_do_not_run_as_their_files_say(story):
    story.program(PROGRAM.replace("10%", "many"))
    story.program("key = 3", "other")
    story.sync()
    found = status(story.opened)["programs"]
    assert found["last_valid_version"] == [{"program": "care", "file": "program.toml"}]
    assert found["unknown"] == ["other.toml"]
    assert found["valid"] == []


def test_status_names_programs_that_the_store_cannot_compute(story, monkeypatch):
    monkeypatch.setattr("jobs.refused_programs.why_refused", lambda program: "of the weather")
    assert status(story.opened)["programs"]["refused"] == [{"program": "care", "reason": "of the weather"}]


def test_the_periods_of_a_program_whose_file_was_removed_are_listed_and_settled_by_nobody(story):
    story.today(date(2026, 6, 10))
    story.sync()
    (story.folder / "programs" / "program.toml").unlink()
    story.close()
    assert state(story, "2026-05").state == "settled", "before the next sync, too"
    story.order("late", "Acme", MAY, {"amount": 100})
    story.sync()
    assert (state(story, "2026-05").state, state(story, "2026-05").waits_for) == ("settled", ())
    june = state(story, "2026-06")
    assert (june.state, june.waits_for) == ("removed", ("the file of its program to be put back",))
    assert june.closes_on == date(2026, 7, 6)
    with pytest.raises(Unusable, match="cannot be settled: the file of its program was removed"):
        periods.close(story.opened, "care", "2026-06")
    with pytest.raises(Unusable, match='no program "other"'):
        periods.listed(story.opened, program="other")
    story.program(PROGRAM)
    story.sync()
    assert state(story, "2026-06").state == "open"
