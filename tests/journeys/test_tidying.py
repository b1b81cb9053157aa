"""A store that was used for long is tidied: explanations and verification answer the same before and after."""

from __future__ import annotations

import pytest

from emulator.seed_story import LUMIERE, partner_orders_again

MOST = ("explain", LUMIERE, "--json")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def used(story, request, monkeypatch):
    """The story after syncs on some days, with a retention of a week."""
    if request.param == "postgresql":
        monkeypatch.setenv("REBATES_STATE_URL", request.getfixturevalue("postgres"))
    story.config('[retention]\noutbox = "7d"\nruns = "7d"\nhistory = "7d"\n')
    assert story("sync").code == 0
    for _ in range(3):
        partner_orders_again(story.org)
        story.wait(hours=6)
        assert story("sync").code == 0
    story.wait(days=2)
    return story


def test_what_nothing_needs_goes_and_every_answer_is_the_same(used):
    nothing = used("db", "tidy", "--dry-run", "--json").data["rows"]
    assert not any(nothing.values()), "nothing is older than a week"
    used.wait(days=7)
    assert used("sync").code == 0
    explained, payouts = used(*MOST).data, used("payouts", "list", "--json").data
    due = used("db", "tidy", "--dry-run", "--json").data
    assert due["dry_run"]
    assert due["rows"]["outbox"] > 0
    assert due["rows"]["history"] > 0
    assert due["rows"]["runs"] > 0
    assert used("db", "tidy", "--dry-run", "--json").data == due, "a dry run changes nothing"
    assert used("db", "tidy", "--json").data["rows"] == due["rows"]
    assert used(*MOST).data == explained
    assert used("payouts", "list", "--json").data == payouts
    assert used("verify", "--deep").code == 0
    used.wait(minutes=15)
    quiet = used("sync", "--json")
    assert (quiet.code, quiet.data["pushed"]) == (0, 0), "nothing is sent or made again"
    asked = used("why-changed", LUMIERE, "--since", "2026-11-24T16:00:00Z", "--json")
    assert asked.code == 2
    assert "no longer kept" in asked.error["message"]
    assert used("why-changed", LUMIERE, "--since", "2026-11-29").code == 0


def test_the_nightly_reconcile_tidies_and_says_so(used):
    used.wait(days=7)
    assert used("reconcile", "--json").data["tidied"]["history"] > 0
    assert not any(used("db", "tidy", "--json").data["rows"].values())


def test_a_retention_that_is_too_short_is_refused(story):
    story.config('[retention]\nruns = "1d"\n')
    refused = story("status")
    assert refused.code == 2
    assert "keep at least 7d" in refused.err
