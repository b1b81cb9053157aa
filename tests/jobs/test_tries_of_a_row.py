"""How often, and for how long, a row is tried before somebody must look at it; and how many are claimed at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector import errors, limits
from connector.port import RowResult, Usage
from jobs.push import push
from jobs.running import running
from state import outbox
from state.outbox import Wanted
from tests.jobs.conftest import ORG

QUARTER = timedelta(minutes=15)


class AnsweringOrg:
    """Answers every record of an update alike: well (None), with a code, or with an error for the whole request."""

    org_id, usage = ORG, Usage()

    def __init__(self, answer):
        self.answer, self.sizes = answer, []

    def update(self, _object, records):
        self.sizes.append(len(records))
        if isinstance(self.answer, Exception):
            raise self.answer
        return [RowResult(r["Id"], self.answer is None, id=r["Id"], code=self.answer) for r in records]


def wait_for(shop, count=1):
    """So many account rows wait."""
    with shop.opened.store.transaction() as tx:
        ids = [f"001{number:012d}AAA" for number in range(count)]
        wanted = [Wanted("state", "Account", one, {"Rebate_Program__c": "x"}, one) for one in ids]
        outbox.enqueue(tx, wanted, now=shop.clock.now())


def pushed(shop, answer):
    shop.opened.__dict__.pop("org", None)
    org = shop.opened.given_org = AnsweringOrg(answer)
    with running(shop.opened, "push") as run:
        push(run)
    return org


def told(shop):
    with shop.opened.store.read() as tx:
        (row,) = outbox.listed(tx)
    return row.state, row.stuck


def test_a_row_that_stays_locked_is_tried_for_a_day_before_it_is_set_aside(shop):
    wait_for(shop)
    began, tries = shop.clock.now(), 0
    while told(shop)[0] == "pending":
        tries += len(pushed(shop, "UNABLE_TO_LOCK_ROW").sizes)
        shop.clock.moment += QUARTER
    assert told(shop) == ("quarantined", "out_of_tries")
    assert timedelta(days=1) <= shop.clock.now() - began - QUARTER <= timedelta(days=1, hours=4)
    assert tries <= 16, "it waits longer from time to time"


def test_tries_of_a_request_that_failed_as_a_whole_do_not_set_a_row_aside(shop):
    wait_for(shop)
    for _ in range(8):
        pushed(shop, errors.Misconfigured("INVALID_FIELD", sobject="Account"))
        shop.clock.moment += QUARTER
    pushed(shop, "UNABLE_TO_LOCK_ROW")
    assert told(shop) == ("pending", None)


def test_records_that_no_job_takes_are_claimed_a_call_at_a_time(shop, monkeypatch):
    """Accounts are updated by their Id: a claim of fifty calls could outlive its lease, its quota and a stop."""
    monkeypatch.setattr(limits, "COMPOSITE_WRITE_ROWS", 1_000)
    wait_for(shop, count=2_500)
    assert pushed(shop, None).sizes == [1_000, 1_000, 500]


WRAPPING = ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"]


@pytest.mark.parametrize("code", WRAPPING)
def test_a_row_on_which_a_flow_or_trigger_met_a_lock_goes_out_with_the_next_push(shop, code):
    """The text of such an answer is whatever the flow's author wrote; here there is none."""
    wait_for(shop)
    pushed(shop, code)
    assert told(shop) == ("pending", None)
    shop.clock.moment += QUARTER
    assert pushed(shop, None).sizes == [1]
    with shop.opened.store.read() as tx:
        assert outbox.listed(tx) == []


@pytest.mark.parametrize("code", WRAPPING)
def test_a_row_on_which_a_flow_or_trigger_fails_for_good_is_set_aside_within_the_hour(shop, code):
    wait_for(shop)
    began, tries = shop.clock.now(), 0
    while told(shop)[0] == "pending":
        tries += len(pushed(shop, code).sizes)
        shop.clock.moment += QUARTER
    assert told(shop) == ("quarantined", "refused")
    assert (tries, shop.clock.now() - began) == (4, timedelta(hours=1))


def test_tries_of_an_outage_leave_a_row_its_second_try_when_a_flow_fails_on_it(shop):
    wait_for(shop)
    for _ in range(6):
        pushed(shop, errors.Transient("SERVER_UNAVAILABLE", sobject="Account"))
        shop.clock.moment += QUARTER * 4
    pushed(shop, "CANNOT_EXECUTE_FLOW_TRIGGER")
    assert told(shop) == ("pending", None)
    shop.clock.moment += timedelta(hours=4)
    pushed(shop, "CANNOT_EXECUTE_FLOW_TRIGGER")
    assert told(shop) == ("quarantined", "refused")


@pytest.mark.parametrize("hours", [1, 30])
def test_what_the_org_refuses_by_name_is_set_aside_at_once(shop, hours):
    wait_for(shop)
    shop.clock.moment += timedelta(hours=hours)
    pushed(shop, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert told(shop) == ("quarantined", "refused")
