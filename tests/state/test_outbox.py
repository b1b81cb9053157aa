"""What the org should be told: enqueued once, sent by one, acknowledged or set aside with a reason."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from state import acknowledged, addressees, bulk, events, invariants, meta, outbox, outcomes, retention, tasks
from state.outbox import Stuck, Wanted
from state.store import Store
from state.tables.facts import accounts
from state.totals import Cell

TTL = timedelta(minutes=5)
MONTH = timedelta(days=30)
KEEP = retention.Keep(outbox=MONTH, runs=MONTH, history=MONTH)
OBJECT = "Rebate_Standing__c"


def standing(key="RB-1", rebate="1", account="001A"):
    return Wanted("state", OBJECT, key, {"Rebate__c": Decimal(rebate)}, account)


def task(key="RB-T1", account="001A"):
    return Wanted("event", "Task", key, {"Subject": "Near Gold"}, account)


@pytest.fixture
def box(store, now):
    class Box:
        def enqueue(self, *wanted, at=now):
            with store.transaction() as tx:
                return outbox.enqueue(tx, wanted, now=at)

        def claim(self, at=now, owner="me", epoch=1, limit=10, **only):
            with store.transaction() as tx:
                return outbox.claim(tx, now=at, limit=limit, owner=owner, epoch=epoch, until=at + TTL, **only)

        def retry_all(self, rows):
            with store.transaction() as tx:
                return outcomes.retry_all(tx, rows, code=None)

        def acknowledge(self, row, *, now, sf_id=None):
            with store.transaction() as tx:
                return bool(outcomes.acknowledge_all(tx, [(row, sf_id)], now=now))

        def __getattr__(self, name):
            def call(*args, **kwargs):
                with store.transaction() as tx:
                    return getattr(outbox, name)(tx, *args, **kwargs)

            return call

        def states(self):
            return [
                (row.ext_key, row.state)
                for row in self.listed(states={"pending", "inflight", "done", "superseded", "quarantined"})
            ]

    yield Box()
    with store.read() as tx:
        assert invariants.check(tx) == []


def test_a_standing_is_sent_once_and_remembered(box, store, now):
    assert box.enqueue(standing()) == 1
    (row,) = box.claim()
    assert row.payload == {"Rebate__c": Decimal(1)}
    assert box.acknowledge(row, now=now, sf_id="a01")
    assert box.enqueue(standing()) == 0  # the org has exactly this
    assert box.enqueue(standing(rebate="1.00")) == 0
    assert box.enqueue(standing(rebate="2")) == 1
    with store.read() as tx:
        assert acknowledged.record_ids(tx, OBJECT, ["RB-1"]) == {"RB-1": "a01"}


def test_only_the_newest_state_of_a_key_is_sent(box):
    box.enqueue(standing(rebate="1"))
    assert box.enqueue(standing(rebate="1")) == 0
    box.enqueue(standing(rebate="2"))
    (row,) = box.claim()
    assert row.payload == {"Rebate__c": Decimal(2)}
    assert box.states() == [("RB-1", "superseded"), ("RB-1", "inflight")]


def test_a_key_is_never_in_flight_twice(box, now):
    box.enqueue(standing(rebate="1"))
    (first,) = box.claim()
    box.enqueue(standing(rebate="2"))
    assert box.claim() == []
    assert box.acknowledge(first, now=now)
    (second,) = box.claim()
    assert second.payload == {"Rebate__c": Decimal(2)}
    assert second.seq > first.seq


def test_the_way_back_to_what_the_org_has_is_sent_too_while_another_value_is_on_its_way(box, now):
    box.enqueue(standing(rebate="1"))
    (row,) = box.claim()
    box.acknowledge(row, now=now)
    box.enqueue(standing(rebate="2"))
    (wrong,) = box.claim()
    assert box.enqueue(standing(rebate="1")) == 1
    box.acknowledge(wrong, now=now)
    (right,) = box.claim()
    assert right.payload == {"Rebate__c": Decimal(1)}


def test_an_event_is_enqueued_once_for_ever(box, now):
    assert box.enqueue(task(), task()) == 1
    assert box.enqueue(task()) == 0
    (row,) = box.claim()
    box.acknowledge(row, now=now, sf_id="00T1")
    assert box.enqueue(task()) == 0


def test_a_sender_that_slept_through_its_claim_changes_nothing(box, now):
    box.enqueue(standing())
    (mine,) = box.claim(owner="first", epoch=1)
    late = now + TTL
    assert box.sweep(now=now) == 0
    assert box.sweep(now=late) == 1
    (theirs,) = box.claim(at=late, owner="second", epoch=2)
    assert (theirs.seq, theirs.payload, theirs.attempts) == (mine.seq, mine.payload, 2)
    assert not box.acknowledge(mine, now=late)
    assert not box.quarantine(mine, Stuck.REFUSED, now=late)
    assert box.acknowledge(theirs, now=late)


def test_of_two_values_of_one_key_a_lost_sender_leaves_the_newer(box, store, now):
    box.enqueue(standing(rebate="1"), standing("RB-2"))
    box.claim(owner="lost")
    box.enqueue(standing(rebate="2"))
    with store.transaction() as tx:
        assert outbox.free(tx, range(outbox.LANES), sender="lost") == 1
    box.sweep(now=now)
    claimed = box.claim(owner="other")
    assert sorted((row.ext_key, row.payload["Rebate__c"]) for row in claimed) == [("RB-1", 2), ("RB-2", 1)]
    assert box.states()[0] == ("RB-1", "superseded")


def test_events_of_an_account_arrive_in_their_order(box, now):
    box.enqueue(task("T1"))
    (first,) = box.claim()
    box.enqueue(task("T2"), task("T3", account="001B"))
    (of_another,) = box.claim()
    assert of_another.ext_key == "T3"
    box.retry_at(first, now + TTL)
    assert box.claim() == []
    later = box.claim(at=now + TTL)
    assert [row.ext_key for row in later] == ["T1", "T2"]


def test_an_event_that_waits_for_a_person_holds_up_no_other(box, now):
    box.enqueue(task("T1"))
    (first,) = box.claim()
    box.enqueue(task("T2"))
    box.quarantine(first, Stuck.REFUSED, now=now)
    assert [row.ext_key for row in box.claim()] == ["T2"]


def test_a_swept_row_that_is_out_of_date_is_not_sent_again(box, now):
    box.enqueue(standing(rebate="1"))
    box.claim()
    box.enqueue(standing(rebate="2"))
    assert box.sweep(now=now + TTL) == 0
    assert box.states() == [("RB-1", "superseded"), ("RB-1", "pending")]


def test_a_failed_row_waits_for_its_time(box, now):
    box.enqueue(standing())
    (row,) = box.claim()
    assert box.retry_at(row, now + timedelta(minutes=1), code="UNABLE_TO_LOCK_ROW", message="busy")
    assert box.claim() == []
    (again,) = box.claim(at=now + timedelta(minutes=1))
    assert (again.attempts, again.code) == (2, "UNABLE_TO_LOCK_ROW")


def test_a_refused_row_waits_for_a_person_and_says_why(box, now):
    box.enqueue(standing("RB-1"), standing("RB-2"))
    first, second = box.claim()
    box.quarantine(
        first, Stuck.REFUSED, now=now, code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message="too large"
    )
    box.acknowledge(second, now=now)
    (stuck,) = box.listed()
    assert (stuck.stuck, stuck.code) == ("refused", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert box.enqueue(standing("RB-1")) == 0  # the same would be refused again
    assert box.counts() == {"quarantined": 1, "done": 1}
    assert box.retry(now=now, code="OTHER") == 0
    assert box.retry(now=now, pks=[stuck.pk]) == 1
    (again,) = box.claim()
    assert (again.ext_key, again.attempts, again.stuck) == ("RB-1", 1, None)


def test_a_changed_payload_replaces_a_refused_one(box, now):
    box.enqueue(standing(rebate="1"))
    (row,) = box.claim()
    box.quarantine(row, Stuck.REFUSED, now=now)
    assert box.enqueue(standing(rebate="2")) == 1
    assert box.states() == [("RB-1", "superseded"), ("RB-1", "pending")]
    assert box.retry(now=now) == 0


def test_rows_of_one_account_go_together_and_kinds_can_go_apart(box):
    box.enqueue(
        standing("RB-1", account="B"), standing("RB-2", account="A"), standing("RB-3", account="B"), task()
    )
    assert [row.ext_key for row in box.claim(kinds=["event"])] == ["RB-T1"]
    assert [row.ext_key for row in box.claim(objects=[OBJECT])] == ["RB-2", "RB-1", "RB-3"]
    assert box.claim() == []


def test_a_payload_holds_no_float(box):
    with pytest.raises(TypeError, match="float"):
        box.enqueue(standing()._replace(payload={"Rebate__c": 0.1}))


def test_a_payload_holds_nothing_that_it_could_not_give_back(box):
    for value in (date(2026, 5, 1), 2**64, object()):
        with pytest.raises(TypeError):
            box.enqueue(standing()._replace(payload={"Rebate__c": value}))


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(), st.decimals(allow_nan=False, allow_infinity=False), st.lists(st.text())
)  # fmt: skip


@given(st.dictionaries(st.text(), _VALUES))
def test_a_payload_is_canonical_json_and_reads_back_as_it_was(payload):
    def exact(value):
        return {"decimal": format(value.normalize(), "f")}

    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=exact)
    assert outbox.dump(payload) == text
    assert outbox.load(text) == {
        name: value.normalize() if isinstance(value, Decimal) else value for name, value in payload.items()
    }


def test_what_the_org_lost_is_sent_again(box, store, now):
    box.enqueue(standing())
    box.acknowledge(box.claim()[0], now=now)
    with store.transaction() as tx:
        assert acknowledged.distrust(tx, OBJECT, ["RB-1"]) == 1
    assert box.enqueue(standing()) == 1


def test_an_old_answer_never_hides_a_newer_one(store, now):
    with store.transaction() as tx:
        for seq, digest in ((5, "new"), (4, "old")):
            acknowledged.remember(tx, OBJECT, "RB-1", seq=seq, payload_hash=digest, sf_id=None, now=now)
        assert acknowledged.hashes(tx, [(OBJECT, "RB-1")]) == {(OBJECT, "RB-1"): "new"}


def test_sequence_numbers_rise_over_restores(store):
    with store.transaction() as tx:
        before = [meta.take_sequence(tx, 3), meta.take_sequence(tx, 1)]
        meta.bump_epoch(tx)
        after = meta.take_sequence(tx, 1)
    assert before[1] == before[0] + 3
    assert after > before[1] + 10**9


def test_two_workers_never_claim_one_row(store_url, store, now):
    with store.transaction() as tx:
        outbox.enqueue(tx, [standing(f"RB-{n}") for n in range(60)], now=now)
    taken: dict[str, list[int]] = {"a": [], "b": []}

    def work(owner):
        mine = Store.open(store_url)
        while True:
            with mine.transaction() as tx:
                rows = outbox.claim(tx, now=now, limit=7, owner=owner, epoch=1, until=now + TTL)
            if not rows:
                break
            taken[owner] += [row.pk for row in rows]
        mine.close()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken["a"] + taken["b"]) == len(set(taken["a"] + taken["b"]))
    with store.transaction() as tx:
        rest = outbox.claim(tx, now=now, limit=100, owner="c", epoch=1, until=now + TTL)
    assert len(taken["a"] + taken["b"]) + len(rest) == 60


def test_an_event_happens_once(store, now):
    reached = events.EventRow(
        "retail|001A|2026-06|tier_reached|Gold", "tier_reached", Cell(1, 2), "Gold", "{}", now
    )
    with store.transaction() as tx:
        assert len(events.record(tx, [reached, reached])) == 1
    with store.transaction() as tx:
        assert events.record(tx, [reached]) == []


def test_a_task_that_a_person_closed_is_not_opened_again(store, now):
    near = tasks.TaskRow("RB-T1", "near_tier", Cell(1, 2), "{}", sf_id="00T1", owner_id="005A")
    with store.transaction() as tx:
        assert tasks.opened(tx, near, now=now)
        tasks.found(tx, "RB-T1", sf_id="00T1", owner_id="005B")
        assert [t.owner_id for t in tasks.still_open(tx, cell=Cell(1, 2))] == ["005B"]
        assert tasks.closed(tx, "RB-T1", "dismissed", now=now)
        assert not tasks.closed(tx, "RB-T1", "closed", now=now)
        assert not tasks.opened(tx, near, now=now)
        assert tasks.still_open(tx) == []
        assert tasks.get(tx, "RB-T1").state == "dismissed"


@pytest.mark.parametrize("how", ["one", "many"])
def test_what_failed_is_not_due_again_beside_a_newer_value_of_its_key(box, now, how):
    box.enqueue(standing(rebate="1"), task())
    old, event = sorted(box.claim(), key=lambda row: row.kind, reverse=True)
    assert (old.kind, event.kind) == ("state", "event")
    box.enqueue(standing(rebate="2"))
    if how == "one":
        box.retry_at(old, now)
        box.retry_at(event, now)
    else:
        box.retry_all([(old, now), (event, now)])
    assert box.states() == [("RB-1", "superseded"), ("RB-T1", "pending"), ("RB-1", "pending")]
    assert [row.payload for row in box.claim() if row.kind == "state"] == [{"Rebate__c": Decimal("2")}]


def test_what_was_replaced_long_ago_goes_and_what_is_needed_stays(box, store, now):
    for rebate in ("1", "2", "3"):
        box.enqueue(standing(rebate=rebate))
        (row,) = box.claim()
        box.acknowledge(row, now=now)
    box.enqueue(standing("RB-2"), task())
    for row in box.claim():
        box.acknowledge(row, now=now)
    box.enqueue(standing("RB-3", "1"), at=now)
    box.enqueue(standing("RB-3", "2"), at=now)
    before = box.last_done(OBJECT, box.keys_done(OBJECT))

    def tidy(before):
        table, query = retention.due(KEEP, before + MONTH)["outbox"]
        with store.transaction() as tx:
            return sum(bulk.remove(tx, table, some) for some in list(retention.keys(tx, query, 2)))

    assert tidy(now) == 0
    later = now + timedelta(days=1)
    assert [tidy(later), tidy(later)] == [3, 0]
    assert box.states() == [("RB-1", "done"), ("RB-2", "done"), ("RB-T1", "done"), ("RB-3", "pending")]
    assert box.last_done(OBJECT, box.keys_done(OBJECT)) == before
    assert box.enqueue(standing(rebate="3"), task()) == 0, "what the org has is still known"


def test_a_confirmation_that_was_lost_from_memory_is_a_broken_promise(box, store, now):
    box.enqueue(standing())
    (row,) = box.claim()
    box.acknowledge(row, now=now)
    with store.transaction() as tx:
        tx.execute(delete(acknowledged.acknowledged))
        assert [one.name for one in invariants.check(tx)] == ["a delivered row is not remembered (X7)"]
        acknowledged.remember(tx, OBJECT, "RB-1", seq=row.seq, payload_hash="x", sf_id=None, now=now)


def test_what_waits_for_an_account_that_is_gone_is_found_although_nothing_else_of_it_changed(
    box, store, scene, now
):
    """A purge that only the nightly comparison sees moves no total: its refused rows would wait for ever."""
    scene.pull("account", {"id": "001A"}, {"id": "001B"})
    box.enqueue(standing("RB-1", account="001A"), standing("RB-2", account="001B"))
    with store.transaction() as tx:
        assert addressees.lost(tx) == set()
        tx.execute(update(accounts).where(accounts.c.sf_id == "001A").values(deleted=True))
        assert addressees.lost(tx) == {"001A"}
        addressees.close_of(tx, addressees.lost(tx), now=now)
        assert addressees.lost(tx) == set()
    assert box.states() == [("RB-1", "superseded"), ("RB-2", "pending")]
