"""Bells have no key in the org: each rings once, also when its sender dies, and one that was refused rings later."""

from __future__ import annotations

import pytest

from connector.errors import Transient
from connector.org import SalesforceOrg
from emulator.actions import notifications
from emulator.fault_kinds import Fault
from emulator.seed_story import partner_orders_again
from jobs import alerting
from jobs.push import Sending


class Killed(BaseException):
    """The process ends here."""


def bells(world):
    return [(one.target, one.title) for one in notifications(world.org)]


def test_a_bell_whose_sender_died_before_it_wrote_that_down_is_not_rung_again(story, monkeypatch):
    settle = Sending.settle

    def die_at_a_bell(self, object_name, rows, results, **how):
        if object_name == alerting.BELL:
            raise Killed
        settle(self, object_name, rows, results, **how)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Sending, "settle", die_at_a_bell)
        story("sync")
    assert len(bells(story)) == 1, "it rang, and nobody wrote that down"
    for _ in range(3):
        story.wait(minutes=31)
        assert story("sync").code == 0
    said = bells(story)
    assert len(said) == len(set(said)) == 1
    assert story("verify", "--deep").code == 0


def test_a_bell_that_the_org_was_too_busy_for_rings_later_and_once(story):
    story.org.faults.add(Fault("status", path="/actions/", status=503))
    story("sync")
    assert story.org.faults.log and not bells(story)
    for _ in range(3):
        story.wait(minutes=31)
        assert story("sync").code == 0
    assert len(bells(story)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Transient("NO_CONNECTION", sent=False),
        Transient("DEADLINE", sent=False),
        Transient("REQUEST_LIMIT_EXCEEDED", status=403),  # too many at once: calls are left
        Transient("HTTP_429", status=429),
    ],
    ids=lambda trouble: trouble.code,
)
def test_passing_trouble_sets_no_bell_aside(story, monkeypatch, trouble):
    def refuse(self, **told):
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(SalesforceOrg, "notify", refuse)
        assert story("sync").code == 3
    assert [row["state"] for row in story("outbox", "list", "--json").data["rows"]] == ["pending"]
    story.wait(minutes=31)
    assert story("sync").code == 0
    assert len(bells(story)) == 1


def copied(world, *, paused):
    """A bell waits, and the store is copied; what the copying said."""
    world.org.faults.add(Fault("status", path="/actions/", status=503, times=0))
    world("sync")
    world.org.faults.clear()
    assert not bells(world)
    if paused:
        world("pause")
    return world(
        "db", "copy", f"sqlite:///{world.folder}/rebates.db", f"sqlite:///{world.folder}/copy.db", "--json"
    )


def go_on_with(world, name):
    world.wait(minutes=31)
    world.monkeypatch.setenv("REBATES_STATE_URL", f"sqlite:///{world.folder}/{name}.db")
    world("resume")
    done = world("sync", "--json")
    assert done.code == 0, done.text


def test_a_bell_that_waits_in_a_paused_store_goes_along_with_its_copy(story):
    assert copied(story, paused=True).warnings == []
    go_on_with(story, "copy")
    assert len(bells(story)) == 1
    go_on_with(story, "copy")
    assert len(bells(story)) == 1


def test_a_bell_that_waits_in_a_store_that_is_not_paused_stays_there_and_that_is_said(story):
    (said,) = copied(story, paused=False).warnings
    assert "1 notification waits and is left to the store that was copied" in said
    assert "rebates pause" in said
    go_on_with(story, "copy")
    assert not bells(story)
    assert story("outbox", "list", "--json").data["rows"] == []


def test_a_bell_is_not_rung_twice_where_the_store_that_was_copied_went_on(story):
    copied(story, paused=True)
    partner_orders_again(story.org)
    go_on_with(story, "rebates")
    rung = bells(story)
    assert rung
    go_on_with(story, "copy")
    assert bells(story) == rung
