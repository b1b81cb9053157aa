"""Requests that the org was too long at: fewer records the next time, remembered, and more again by what is measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector import errors
from connector.port import RowResult
from jobs.batch_sizes import REMEMBERED, STEPS, Size
from jobs.push import push
from jobs.running import running
from state import meta, outbox
from state.outbox import Wanted
from tests.jobs.test_tries_of_a_row import AnsweringOrg, wait_for

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = "push.rows.Account"


def test_a_silence_leads_to_the_next_smaller_size_that_was_not_sent():
    size = Size()
    steps = []
    while size.rows > 1:
        size = size.after_silence(size.rows, 600.0, NOW)
        steps.append(size.rows)
    assert steps == list(STEPS[1:])
    assert Size().after_silence(3, 600.0, NOW).rows == 1, "three were too many already"


def test_it_grows_only_where_the_larger_request_would_need_half_of_what_was_too_short():
    size = Size(200, 60.0, NOW)
    assert size.after_answer(200, 5.9).rows == 1000
    assert size.after_answer(200, 6.1).rows == 200
    assert size.after_answer(40, 0.1).rows == 200, "a few records tell nothing of many"


def test_what_is_written_down_is_read_for_a_week():
    size = Size(200, 60.0, NOW)
    assert Size.read(size.written(), NOW + REMEMBERED) == size
    assert Size.read(size.written(), NOW + REMEMBERED + timedelta(seconds=1)) == Size()
    assert Size().written() is None


class SlowOrg(AnsweringOrg):
    """Has no answer for more than `most` records, after ten minutes; else it answers well, after so long for each."""

    instance_url = "https://northwind.example"

    def __init__(self, shop, most, seconds=2.0):
        super().__init__(None)
        self.clock, self.most, self.seconds = shop.clock, most, seconds
        self.looked = 0

    def update(self, object_name, records):
        self.sizes.append(len(records))
        if len(records) > self.most:
            self.clock.sleep(630)
            silence = errors.Ambiguous("NO_ANSWER")
            silence.timed_out, silence.waited = True, 630.0
            raise silence
        self.clock.sleep(self.seconds * len(records))
        return [RowResult(record["Id"], True, id=record["Id"]) for record in records]

    def query(self, soql, *, include_deleted=False, locator=None):
        self.looked += 1
        return iter(())


def pushed(shop, org):
    shop.opened.__dict__.pop("org", None)
    shop.opened.given_org = org
    with running(shop.opened, "push") as run:
        return push(run)


def counts(shop):
    with shop.opened.store.read() as tx:
        return outbox.counts(tx)


def test_a_push_goes_on_with_fewer_and_brings_everything_there(shop):
    wait_for(shop, count=1_500)
    org = SlowOrg(shop, most=250)
    result = pushed(shop, org)
    assert org.sizes[:2] == [1_000, 200]
    assert set(org.sizes[2:]) <= {200, 100}
    assert counts(shop) == {"done": 1_500}
    (said,) = result.warnings
    assert "within 630 s to 1,000 records of Account" in said
    assert "200 at a time" in said


def wait_again(shop, count):
    with shop.opened.store.transaction() as tx:
        ids = [f"001{number:012d}AAA" for number in range(count)]
        wanted = [Wanted("state", "Account", one, {"Rebate_Program__c": "y"}, one) for one in ids]
        outbox.enqueue(tx, wanted, now=shop.clock.now())


def test_the_next_run_begins_with_fewer_and_an_org_that_became_quick_gets_more(shop):
    wait_for(shop, count=1_100)
    pushed(shop, SlowOrg(shop, most=250))
    wait_again(shop, 1_100)
    still = SlowOrg(shop, most=250)
    pushed(shop, still)
    assert set(still.sizes) == {200, 100}
    wait_for(shop, count=1_100)
    quick = SlowOrg(shop, most=1_000, seconds=0.06)
    pushed(shop, quick)
    assert quick.sizes == [200, 900]
    with shop.opened.store.read() as tx:
        assert meta.get(tx, KEY) is None, "nothing is remembered of it any more"


def test_an_org_that_hangs_at_more_than_so_many_does_not_get_them_twice_in_one_push(shop):
    wait_for(shop, count=2_000)
    org = SlowOrg(shop, most=250, seconds=0.01)
    pushed(shop, org)
    assert [size for size in org.sizes if size > 250] == [1_000]


def test_an_org_that_is_silent_for_a_single_record_is_not_asked_for_ever(shop):
    wait_for(shop, count=1_500)
    org = SlowOrg(shop, most=0)
    result = pushed(shop, org)
    assert org.sizes == list(STEPS)
    assert result.retrying == 1
    assert counts(shop) == {"pending": 1_500}, "none is lost, none is set aside"


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE"])
def test_an_org_that_refuses_at_once_is_not_taken_for_slow(shop, code):
    wait_for(shop, count=10)
    shop.opened.__dict__.pop("org", None)
    result = pushed(shop, AnsweringOrg(errors.Transient(code, status=503)))
    assert not result.slow
    assert result.retrying == 10
