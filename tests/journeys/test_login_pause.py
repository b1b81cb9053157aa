"""A refused login holds every command back that would log in: repeated failures lock the user out. And another org's login."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from emulator.faults import Fault


def refuse_logins(world):
    world.org.faults.add(
        Fault("status", path="oauth2/token", status=400, code="invalid_grant", times=0,
              body='{"error":"invalid_grant","error_description":"user hasn\'t approved this consumer"}')
    )  # fmt: skip


def logins(world):
    return sum("oauth2/token" in path for _, _, path in world.org.faults.log)


@pytest.fixture
def refused(story):
    """A store that was filled, and whose last sync was refused the login."""
    assert story("sync").code == 0
    story.wait(minutes=15)
    refuse_logins(story)
    assert story("sync").code == 4
    story.wait(minutes=1)
    return story


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "--deep"),
        ("mapping", "explain", "order.ordered_on"),
        ("mapping", "check"),
    ],
    ids=" ".join,
)
def test_every_command_that_logs_in_minds_a_refused_login(words, refused):
    asked = logins(refused)
    done = refused(*words, "--json")
    assert (done.code, done.error["code"]) == (4, "login_paused")
    assert logins(refused) == asked
    again = refused(*words, "--login-again", "--json")
    assert (again.code, again.error["code"].lower()) == (4, "invalid_grant")
    assert logins(refused) > asked
    refused.org.faults.clear()
    assert refused(*words, "--login-again").code == 0
    assert refused("sync").code == 0, "a login that worked ends the pause"


@pytest.mark.parametrize("words", [("plan",), ("compute",), ("compute", "--full")], ids=" ".join)
def test_a_computation_before_the_first_login_minds_a_refused_one(words, story):
    refuse_logins(story)
    assert story("sync").code == 4
    asked = logins(story)
    assert story(*words, "--json").error["code"] == "login_paused"
    assert logins(story) == asked
    assert story(*words, "--login-again", "--json").error["code"].lower() == "invalid_grant"


def test_a_refusal_that_another_command_meets_holds_a_sync_back(synced):
    story = synced
    story.wait(minutes=15)
    refuse_logins(story)
    assert story("mapping", "explain", "order.ordered_on", "--json").code == 4
    asked = logins(story)
    assert story("sync", "--json").error["code"] == "login_paused"
    assert logins(story) == asked


def test_what_needs_no_login_goes_on_during_the_pause(refused):
    for words in (("status",), ("verify",), ("explain", "Lumi"), ("compute",)):
        assert refused(*words).code == 0, words


def test_doctor_asks_during_the_pause_and_says_so(refused):
    asked = logins(refused)
    found = {one["check"]: one for one in refused("doctor", "--json").data["findings"]}
    assert logins(refused) > asked
    assert "this asks again all the same" in found["login pause"]["said"]
    assert found["login"]["level"] == "fail"
    refused.org.faults.clear()
    refused("doctor")
    assert "login pause" not in {one["check"] for one in refused("doctor", "--json").data["findings"]}


@pytest.fixture
def of_another_org(story):
    """The store of another org, whose sandbox was refreshed or whose configuration was exchanged."""
    story("sync")
    file = story.folder / "rebates.db"
    with sqlite3.connect(file) as store:
        store.execute("UPDATE meta SET value = '00D000000000001EAA' WHERE key = 'org_id'")
    return story


def test_a_deep_verification_refuses_another_org_as_a_sync_does(of_another_org):
    synced, verified = of_another_org("sync", "--json"), of_another_org("verify", "--deep", "--json")
    assert (verified.code, verified.error) == (synced.code, synced.error)
    assert verified.error["code"] == "wrong_org"
    assert of_another_org("verify").code == 0, "without the org there is nothing to refuse"


def test_doctor_does_not_say_that_a_login_is_needed_when_it_worked(of_another_org):
    found = {one["check"]: one for one in of_another_org("doctor", "--json").data["findings"]}
    assert (found["login"]["level"], found["org"]["level"]) == ("ok", "fail")
    assert found["fields"]["level"] == "skip"
    assert "another org" in found["fields"]["said"]


def test_a_login_server_in_trouble_holds_nothing_back(synced):
    story = synced
    story.wait(minutes=15)
    story.org.faults.add(
        Fault("status", path="oauth2/token", status=400, times=0,
              body='{"error":"unknown_error","error_description":"retry your request"}')
    )  # fmt: skip
    done = story("sync", "--json")
    assert (done.code, done.error["code"].lower()) == (1, "unknown_error")
    story.org.faults.clear()
    story.wait(minutes=1)
    assert story("sync").code == 0


@pytest.fixture
def with_an_older_store(story):
    """The program was upgraded, the store was not yet."""
    story("sync")
    with closing(sqlite3.connect(story.folder / "rebates.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '0007'")
    return story


def test_doctor_says_that_the_login_works_whatever_is_wrong_with_the_store(with_an_older_store):
    found = {one["check"]: one for one in with_an_older_store("doctor", "--json").data["findings"]}
    assert found["store"]["level"] == "fail"
    assert "db upgrade" in found["store"]["mend"]
    assert (found["login"]["level"], found["fields"]["level"]) == ("ok", "ok")


def test_doctor_says_that_the_org_refuses_the_login_whatever_is_wrong_with_the_store(with_an_older_store):
    refuse_logins(with_an_older_store)
    found = {one["check"]: one for one in with_an_older_store("doctor", "--json").data["findings"]}
    assert found["store"]["level"] == "fail"
    assert found["login"]["level"] == "fail"
    assert "invalid_grant" in found["login"]["said"].lower()
