"""An org whose flows, triggers and queries take their time: over real HTTP, with waits as short as a test can bear."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.fixture
def impatient(story):
    """Waits three seconds for a query, and for a composite call."""
    story.config("[org.main.timeouts]\nread = 3.0\nquery = 3.0\ncomposite = 3.0\ncall = 6.0\n")
    return story


@pytest.fixture
def written(story):
    """How often each record was written in the org."""
    counted = Counter()
    story.org.after_write.append(lambda org, sobject, new, old: counted.update([(sobject.name, new["Id"])]))
    return counted


def slow(world, *, record=None, row=None, query_max=120.0):
    world.org.settings.slowness.set(record or {}, row or {})
    world.org.settings.slowness.query_max = query_max


def read_by(done):
    return {stream["entity"]: stream["method"] for stream in done.data["streams"]}


def standings(world):
    return world.rows(
        "SELECT Sync_Key__c, Qualifying_Amount__c, Rebate__c FROM Rebate_Standing__c ORDER BY Sync_Key__c"
    )


def test_what_arrived_without_an_answer_is_found_and_not_written_again(impatient, written):
    slow(impatient, record={"Rebate_Standing__c": 0.7})
    done = impatient("sync", "--json")
    assert (done.code, done.data["put_off"]) == (0, 0), done.text
    assert done.data["pushed_by_object"]["Rebate_Standing__c"] == 7
    of_standings = {key: times for key, times in written.items() if key[0] == "Rebate_Standing__c"}
    assert set(of_standings.values()) == {1}, "no trigger fired twice"
    (said,) = done.warnings
    assert "no answer within 3 s to 7 records of Rebate_Standing__c" in said
    assert "1 at a time" in said
    assert impatient("verify", "--deep").code == 0


def test_an_org_that_answers_in_its_own_time_is_waited_for(story, written):
    """Longer than what a call may take that is answered at once: nothing is sent twice, and nobody is told anything."""
    story.config("[org.main.timeouts]\nread = 2.0\ncall = 3.0\n")
    slow(story, record={"Rebate_Standing__c": 0.6, "Account": 0.6})
    done = story("sync", "--json")
    assert (done.code, done.warnings) == (0, []), done.text
    assert max(times for (name, _), times in written.items() if name == "Rebate_Standing__c") == 1


def test_queries_that_take_too_long_together_are_asked_singly(impatient):
    slow(impatient, row={"Product2": 0.15, "Account": 0.25})
    done = impatient("sync", "--json")
    assert done.code == 0, done.text
    assert set(read_by(done).values()) == {"poll"}


@pytest.mark.parametrize("query_max", [120.0, 1.0], ids=["no answer", "QUERY_TIMEOUT"])
def test_a_query_that_takes_too_long_even_alone_is_read_by_a_job(impatient, query_max):
    slow(impatient, row={"OrderItem": 0.12}, query_max=query_max)
    done = impatient("sync", "--json")
    assert done.code == 0, done.text
    assert read_by(done)["order_line"] == "bulk"
    assert read_by(done)["order"] == "poll"
    assert any(one.startswith("order_line: the org gave up on one query") for one in done.warnings)
    assert len(standings(impatient)) == 7
    slow(impatient)
    assert impatient("verify", "--deep").code == 0


def test_the_lock_is_kept_and_a_stop_heard_while_the_org_is_silent(impatient, monkeypatch):
    from connector import limits
    from jobs import running
    from jobs.refusals import Interrupted

    monkeypatch.setattr(limits, "ATTENTION_SECONDS", 0.1)
    monkeypatch.setattr(limits, "LAST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(running, "BEAT_EVERY", 0.0)
    real, beats = running.leases.renew, []

    def renew(tx, lease, **when):
        beats.append(when["now"])
        if len(beats) > 20:  # a person stops it in the middle of a silence
            raise Interrupted
        return real(tx, lease, **when)

    impatient("sync", "--no-push")
    slow(impatient, record={"Rebate_Standing__c": 0.4})
    monkeypatch.setattr(running.leases, "renew", renew)
    stopped = impatient("push", "--json")
    assert stopped.code == 130, stopped.text
    assert len(beats) > 20, "about ten a second, of a request that takes three"
    monkeypatch.setattr(running.leases, "renew", real)
    slow(impatient)
    impatient.wait(minutes=1)
    done = impatient("push", "--json")
    assert (done.code, done.data["put_off"]) == (0, 0), done.text
    assert len(standings(impatient)) == 7
    assert impatient("verify", "--deep").code == 0


def test_a_task_that_was_made_without_an_answer_is_not_made_twice(impatient, written):
    slow(impatient, record={"Task": 3.5})
    impatient("sync")
    slow(impatient)
    impatient.wait(minutes=1)
    done = impatient("sync", "--json")
    assert (done.code, done.data["put_off"]) == (0, 0), done.text
    assert len(impatient.rows("SELECT Id FROM Task")) == 1
    assert [times for (name, _), times in written.items() if name == "Task"] == [1]
