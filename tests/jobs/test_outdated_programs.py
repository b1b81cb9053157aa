"""Terms that were valid once and are not by newer rules: the program is refused by name, and never taken for removed."""

from __future__ import annotations

from datetime import date

import pytest

from jobs import payouts as work
from jobs.explanation import explain
from jobs.status import status
from rebates.outdated import outdated
from state import meta, outbox

PROGRAM = """
key = "care"
name = "Care partners"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
guarantee = "42"
{more}
[[tiers]]
threshold = "100"
rate = "10%"
[market.EMEA]
max_payout = "{cap}"
"""
VALID = PROGRAM.format(more="", cap="90")
BAD = PROGRAM.format(more="", cap="27")  # below the guarantee: refused since a newer version of ours
BESIDE = VALID.replace('"care"', '"beside"')


@pytest.fixture
def settled(shop):
    """May is settled, June goes on, under a program and another one beside it."""
    shop.today(date(2026, 5, 21))
    shop.program(VALID)
    shop.program(BESIDE, "beside")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 5, 20), {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 2))
    shop.order("2", "Acme", date(2026, 6, 1), {"amount": 500})
    shop.sync()
    return shop


def upgrade(shop, text=BAD, name="program"):
    """The store has what an earlier version took for valid."""
    shop.program(text, name)
    with shop.opened.store.transaction() as tx:
        meta.put(tx, f"program.{name}.toml", text)


def told(shop):
    with shop.opened.store.read() as tx:
        return outbox.last_done(tx, "Rebate_Standing__c", outbox.keys_done(tx, "Rebate_Standing__c")), [
            (row.object, row.ext_key) for row in outbox.listed(tx)
        ]


def paid(shop):
    return [(one.due.program, one.due.period, one.due.amount) for one in work.listed(shop.opened)]


def test_a_program_whose_kept_text_is_not_valid_any_more_is_refused_and_not_removed(settled):
    before, was, waiting = settled.rebates("care"), paid(settled), told(settled)
    upgrade(settled)
    settled.order("3", "Acme", date(2026, 6, 2), {"amount": 100})
    settled.order("late", "Acme", date(2026, 5, 22), {"amount": 100})
    done = settled.sync()
    (refused,) = done.refused
    assert refused.key == "care"
    assert "rebates program check" in str(refused)
    assert "are not valid any more by the rules of this version" in refused.reason
    assert done.programs_changed == (), "nothing was removed"
    assert settled.rebates("care") == before == {("Acme", "2026-05"): 60, ("Acme", "2026-06"): 50}
    assert settled.rebates("beside") == {("Acme", "2026-05"): 70, ("Acme", "2026-06"): 60}, "others go on"
    assert [one for one in paid(settled) if one[0] == "care"] == [one for one in was if one[0] == "care"]
    assert [key for key in told(settled)[1] if "care" in key[1]] == [
        key for key in waiting[1] if "care" in key[1]
    ]
    found = status(settled.opened)["programs"]
    assert [one["program"] for one in found["refused"]] == ["care"]
    assert (found["unknown"], found["last_valid_version"]) == ([], [])
    (line,) = found["warnings"]
    assert "its program is refused, its standings and what was settled stay as they were" in line
    assert settled.broken_promises() == []

    settled.program(VALID)
    told_of_it = " ".join(settled.sync().problems)
    assert "the terms of care" not in told_of_it, "a late order moved what was settled"
    assert settled.rebates("care") == {("Acme", "2026-05"): 70, ("Acme", "2026-06"): 60}, (
        "what was missed is made up"
    )
    assert settled.broken_promises() == []


def test_its_periods_wait_and_its_standings_are_explained_as_they_were(settled):
    upgrade(settled)
    settled.today(date(2026, 7, 5))
    settled.sync()
    assert {period for program, period, _ in paid(settled) if program == "care"} == {"2026-05"}
    (one, *_) = explain(settled.opened, "Acme", program="care", period="2026-06")
    assert one.document["rebate"] == "50.00"


def test_a_file_that_came_under_another_name_and_is_not_valid_removes_nothing(settled):
    upgrade(settled)
    (settled.folder / "programs" / "program.toml").rename(settled.folder / "programs" / "renamed.toml")
    done = settled.sync()
    assert [one.key for one in done.refused] == ["care"]
    assert settled.rebates("care") == {("Acme", "2026-05"): 60, ("Acme", "2026-06"): 50}


@pytest.mark.parametrize("how", ["as_of", "latest"])
def test_an_amendment_that_came_under_another_name_and_is_not_valid_does_not_bring_back_the_earlier_terms(
    settled, how
):
    later = f'amendment = "{how}"\neffective_from = 2026-06-01\nguarantee'
    amendment = VALID.replace("guarantee", later, 1).replace("10%", "20%")
    settled.program(amendment, "amendment")
    settled.settings["payouts.correct_share"] = 1
    settled.sync()
    before, was = settled.rebates("care"), paid(settled)
    assert before["Acme", "2026-06"] == 100
    (settled.folder / "programs" / "amendment.toml").unlink()
    settled.program(amendment.replace('"90"', '"27"'), "renamed")
    assert [one.key for one in settled.sync().refused] == ["care"]
    assert (settled.rebates("care"), paid(settled)) == (before, was)
    settled.program(amendment, "renamed")
    assert not settled.sync().refused
    assert settled.rebates("care") == before
    assert settled.broken_promises() == []


def test_a_new_amendment_that_is_not_valid_yet_leaves_the_program_as_it_is(settled):
    later = 'amendment = "as_of"\neffective_from = 2026-06-01\nguarantee'
    settled.program(BAD.replace("guarantee", later, 1), "amendment")
    settled.order("3", "Acme", date(2026, 6, 2), {"amount": 100})
    assert settled.sync().refused == ()
    assert settled.rebates("care")["Acme", "2026-06"] == 60


def test_a_newer_correction_that_is_valid_holds_whatever_became_of_the_terms_before_it(settled):
    upgrade(settled)
    settled.program(
        VALID.replace("guarantee", 'amendment = "latest"\neffective_from = 2026-05-01\nguarantee').replace(
            "10%", "20%"
        ),
        "v2",
    )
    done = settled.sync()
    assert done.refused == ()
    assert settled.rebates("care")["Acme", "2026-06"] == 100


def test_an_amendment_whose_kept_text_is_not_valid_any_more_refuses_its_whole_program(settled):
    """Else the terms before it would pay, and would be settled."""
    settled.program(
        VALID.replace("guarantee", 'amendment = "as_of"\neffective_from = 2026-06-01\nguarantee'), "v2"
    )
    settled.sync()
    before, was = settled.rebates("care"), paid(settled)
    upgrade(
        settled, BAD.replace("guarantee", 'amendment = "as_of"\neffective_from = 2026-06-01\nguarantee'), "v2"
    )
    settled.order("3", "Acme", date(2026, 6, 2), {"amount": 100})
    settled.today(date(2026, 7, 5))
    done = settled.sync()
    assert [one.key for one in done.refused] == ["care"]
    assert settled.rebates("care") == before
    assert [one for one in paid(settled) if one[0] == "care"] == [one for one in was if one[0] == "care"]
    (line,) = status(settled.opened)["programs"]["warnings"]
    assert "valid for an earlier version of ours" in line


def test_an_amendment_that_was_never_valid_leaves_its_program_to_the_terms_before_it(settled):
    settled.program(
        BAD.replace("guarantee", 'amendment = "latest"\neffective_from = 2026-06-01\nguarantee'), "v2"
    )
    settled.order("3", "Acme", date(2026, 6, 2), {"amount": 100})
    done = settled.sync()
    assert done.refused == ()
    assert settled.rebates("care")["Acme", "2026-06"] == 60
    (line,) = status(settled.opened)["programs"]["warnings"]
    assert line.startswith(
        "v2.toml is not valid (1 problem): no valid version of it is known, so nothing counts by it"
    )


def test_what_can_still_be_read_of_a_text_is_its_frame():
    one = outdated(BAD)
    assert (one.key, one.name, one.currency, len(one.periods())) == ("care", "Care partners", "USD", 12)
    assert outdated(BAD.replace('"month"', '"fortnight"')).key == "care"
    assert outdated("key = 3") is outdated("key = ") is None
