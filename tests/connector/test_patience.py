"""Answers that take minutes: waited for as long as the org may take, and no longer than we are asked to stop."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from connector import limits
from connector.config import Timeouts
from connector.errors import Ambiguous, Transient, is_too_much
from connector.patience import attended
from connector.polling import Attention
from connector.sockets import KeepingAdapter

SOQL = "SELECT Id FROM Account"


class Stop(Exception):
    """Somebody asked us to stop."""


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTENTION_SECONDS", 0.02)


def stop() -> None:
    raise Stop


def test_the_org_has_the_time_that_it_gives_itself() -> None:
    patience = Timeouts().patience
    assert patience("query") > 120, "QUERY_TIMEOUT comes after two minutes"
    assert patience("composite") > 600, "a request ends after ten"
    assert patience("query", 3) == 3 * patience("query"), "the queries of a poll run one after the other"
    assert patience("query", 5) == patience("composite")
    assert patience("soon") == 60
    assert Timeouts(read=900).patience("query") == 900, (
        "whoever waits longer for everything waits longer for this, too"
    )


def test_what_is_answered_in_time_is_returned_and_looked_up_from_meanwhile() -> None:
    looks: list[int] = []
    attention = Attention(look=lambda: looks.append(threading.get_ident()))
    assert attended(lambda: time.sleep(0.1) or "answer", attention=attention) == "answer"
    assert set(looks) == {threading.get_ident()}, "in the thread that waits: the lease is its own"


def test_what_the_request_raises_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(Stop):
        attended(stop, attention=Attention())


def test_a_stop_ends_a_read_at_once_and_a_write_after_a_last_wait() -> None:
    over = threading.Event()
    try:
        began = time.monotonic()
        with pytest.raises(Stop):
            attended(lambda: over.wait(30), attention=Attention(look=stop))
        assert time.monotonic() - began < 10
        with pytest.raises(Stop):
            attended(lambda: over.wait(30), attention=Attention(look=stop), last_wait=0.1)
    finally:
        over.set()
    assert attended(lambda: time.sleep(0.1) or 7, attention=Attention(look=stop), last_wait=60) == 7


@pytest.fixture
def hasty(connect: Any, settings: Any) -> Any:
    """A connection that waits half a second."""
    timeouts = {"read": 0.5, "query": 0.5, "composite": 0.5}
    return connect(settings.model_copy(update={"timeouts": Timeouts(**timeouts)}))


@pytest.fixture
def silent(scripted: Any, make: Any) -> Any:
    """Lets the org be silent to whatever is asked of some resource, until the test is over."""
    over = threading.Event()

    def answer(_: Any) -> Any:
        over.wait(20)
        return make.reply({})

    def silence(method: str, path: str) -> None:
        scripted.data(method, path, answer)

    yield silence
    over.set()


def test_a_write_without_an_answer_is_not_repeated(scripted: Any, hasty: Any, silent: Any) -> None:
    silent("POST", "composite")
    with pytest.raises(Ambiguous) as raised:
        hasty.upsert("Rebate_Standing__c", "Key__c", [{"Key__c": "a"}])
    assert raised.value.slow
    assert len(scripted.calls("composite")) == 1


def test_a_query_without_an_answer_is_known_to_be_too_much_and_not_asked_again(
    scripted: Any, hasty: Any, silent: Any
) -> None:
    silent("GET", "query")
    with pytest.raises(Transient) as raised:
        list(hasty.query(SOQL))
    assert is_too_much(raised.value)
    assert len(scripted.calls("query")) == 1


def test_a_stop_is_heard_while_an_answer_is_waited_for(scripted: Any, org: Any, silent: Any) -> None:
    silent("GET", "query")
    org.while_waiting(stop)
    with pytest.raises(Stop):
        list(org.query(SOQL))


def test_a_connection_that_is_cut_at_once_is_no_slow_org(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "composite", make.Reply(drop=True))
    with pytest.raises(Ambiguous) as raised:
        org.upsert("Rebate_Standing__c", "Key__c", [{"Key__c": "a"}])
    assert not raised.value.slow
    assert len(scripted.calls("composite")) == limits.ATTEMPTS, "and is repeated as before"


def test_a_silent_connection_gives_signs_of_life() -> None:
    import socket

    options = KeepingAdapter().poolmanager.connection_pool_kw["socket_options"]
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options
